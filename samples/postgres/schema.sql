-- A small shop's customers and orders, 304 people made up by rule (example.com; exchange 958 is kept for tests).
-- Everything stands in a schema of its own: DROP SCHEMA shop CASCADE takes it away again.
--
--     psql -f samples/postgres/schema.sql postgresql://postgres@localhost/postgres

DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop;

CREATE TABLE shop.customer (
    customer_id   bigint PRIMARY KEY,
    first_name    text NOT NULL,
    last_name     text NOT NULL,
    email         text,
    mobile        text,
    country       char(2) NOT NULL DEFAULT 'US',
    birth_date    date,
    points        numeric(12, 2),
    subscribed    boolean,
    colours       text[],
    signed_up     timestamptz NOT NULL,
    is_test       boolean NOT NULL DEFAULT false,
    updated_at    timestamptz NOT NULL
);
CREATE INDEX ON shop.customer (updated_at);

CREATE TABLE shop.purchase (
    purchase_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   bigint NOT NULL REFERENCES shop.customer,
    bought_on     date NOT NULL,
    amount        numeric(12, 2) NOT NULL
);
CREATE INDEX ON shop.purchase (customer_id);

INSERT INTO shop.customer
SELECT 1000 + g,
       (ARRAY['Hazel', 'Gabriel', 'Henry', 'Zoë', 'José', 'Amara', 'Liam'])[1 + g % 7],
       (ARRAY['Bailey', 'Moore', 'Ross', 'O''Neill', 'Müller'])[1 + g % 5],
       'customer' || g || '@example.com',
       '+1' || (ARRAY['206', '401', '615', '801'])[1 + g % 4] || '958' || lpad(g::text, 4, '0'),
       'US',
       date '1950-01-01' + g * 67,
       CASE WHEN g % 3 > 0 THEN g * 10 END,
       CASE WHEN g % 5 > 0 THEN g % 2 = 0 END,
       CASE WHEN g % 4 = 0 THEN ARRAY['red', 'green'] END,
       timestamptz '2020-01-01 08:00:00+00' + g * interval '13 hours',
       g % 100 = 0,
       timestamptz '2026-10-01 00:00:00+00' + g * interval '1 hour'
FROM generate_series(1, 300) AS g;

-- What a table of real customers has as well.
INSERT INTO shop.customer (customer_id, first_name, last_name, email, mobile, points, signed_up, updated_at) VALUES
    (2001, 'Nobody', 'Reachable', NULL, NULL, 10, '2024-05-01 10:00:00+00', '2026-10-20 10:00:00+00'),
    (2002, 'Short', 'Number', 'short.number@example.com', '12345', 10, '2024-05-02 10:00:00+00', '2026-10-20 11:00:00+00'),
    (2003, 'One', 'Phone', 'one.phone@example.com', '+12069589001', 10, '2024-05-03 10:00:00+00', '2026-10-20 12:00:00+00'),
    (2004, 'Same', 'Phone', 'same.phone@example.com', '+12069589001', 10, '2024-05-04 10:00:00+00', '2026-10-20 13:00:00+00');

INSERT INTO shop.purchase (customer_id, bought_on, amount)
SELECT 1001 + n % 300, date '2026-01-01' + n % 280, 5 + (n * 37) % 200 + 0.99
FROM generate_series(1, 1200) AS n;
