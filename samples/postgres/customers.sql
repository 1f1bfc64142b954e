-- One line a customer. Types stay what they are: numbers keep their digits, moments become ISO 8601 in UTC,
-- arrays of texts become lists.
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
WHERE NOT c.is_test
GROUP BY c.customer_id
ORDER BY c.customer_id
