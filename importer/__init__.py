"""Bulk import and sync of customer profiles into Twilio Conversation Memory."""
