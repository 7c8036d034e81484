-- breaking: no
-- transaction: yes

-- A copy of Terra's table `terra_users` is a listing that says what is there and never what is absent: under way
-- ('copying'), and whole ('copied').
ALTER TABLE registry.provider_listing
  DROP CONSTRAINT provider_listing_outcome_known,
  ADD CONSTRAINT provider_listing_outcome_known
    CHECK (outcome IN ('reading', 'complete', 'given_up', 'copying', 'copied'));
