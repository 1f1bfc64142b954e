-- The same customers, but only those that changed since the last run: $cursor is bound by `sync run`, as text.
SELECT c.customer_id,
       c.first_name,
       c.last_name,
       c.email,
       c.mobile,
       c.country,
       c.birth_date,
       trunc(c.points)::bigint      AS points,
       c.subscribed,
       c.colours,
       c.signed_up,
       c.updated_at,
       count(p.purchase_id)         AS purchases,
       max(p.bought_on)             AS last_purchase
FROM shop.customer AS c
LEFT JOIN shop.purchase AS p USING (customer_id)
WHERE NOT c.is_test AND c.updated_at >= $cursor::timestamptz
GROUP BY c.customer_id
ORDER BY c.updated_at, c.customer_id
