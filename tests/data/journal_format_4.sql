-- A journal of format 4, as the last version that wrote it left it when it was killed.
PRAGMA application_id = 1347764818;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE batches (
        id INTEGER PRIMARY KEY,   -- counts the ends
        state TEXT NOT NULL,      -- settled, withdrawn, unsettled; reopened: unsettled once
        batch_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at REAL NOT NULL, -- Unix times
        accepted_at REAL,
        ended_at REAL NOT NULL,
        redeem_query_id TEXT,
        charged,                  -- credits
        found INTEGER,            -- how many
        empty INTEGER,
        rejected INTEGER,
        reason TEXT,              -- why it is unsettled
        request INTEGER,          -- its id when it was open
        job BLOB,                 -- if unsettled: the job
        held,                     -- if unsettled: those of whom this is the end; NULL: all
        keys,                     -- the people who have a result, or are unsettled
        results BLOB,             -- what was found of them
        seal INTEGER              -- CRC-32 of keys and results, or job
    );
INSERT INTO "batches" VALUES(1,'settled','ba7c4000-2222-4c5e-9b1d-000000000001','batch',1750000001.0,1750000001.5,1750000002.0,'job-1',7.5,1,1,0,NULL,1,NULL,NULL,X'0D4B3A6011114C5E9B1D0000000000010D4B3A6011114C5E9B1D000000000002',X'9692A5666F756E64A5656D70747990929183A576616C7565AF616461406578616D706C652E636F6DA474797065AA656D61696C2D776F726BA6737461747573A8566572696669656490929183A576616C7565AB2B31203535352030313030A474797065A570686F6E65A6737461747573C09091A56A6F622D3191C0',1205785161);
INSERT INTO "batches" VALUES(2,'settled','ba7c4000-2222-4c5e-9b1d-000000000002','single',1750000002.5,NULL,1750000003.0,NULL,0,0,0,1,NULL,2,NULL,NULL,'["https://www.linkedin.com/in/eve"]',X'9691A872656A656374656491C09190919091C091B33430303A20756E6B6E6F776E20706572736F6E',2462952111);
INSERT INTO "batches" VALUES(3,'unsettled','ba7c4000-2222-4c5e-9b1d-000000000003','batch',1750000003.5,NULL,1750000004.0,NULL,NULL,NULL,NULL,NULL,'the connection broke',3,NULL,NULL,X'0D4B3A6011114C5E9B1D0000000000010D4B3A6011114C5E9B1D000000000003',NULL,2984363664);
INSERT INTO "batches" VALUES(4,'unsettled','ba7c4000-2222-4c5e-9b1d-000000000004','batch',1750000004.5,1750000005.0,1750000005.5,'job-1',NULL,NULL,NULL,NULL,'the job was lost',4,X'84AF72656465656D5F71756572795F6964A56A6F622D31AC69735F636F6D706C65746564C2AE657374696D617465645F74696D6504B3657374696D617465645F74696D655F74797065A67365636F6E64',NULL,X'0D4B3A6011114C5E9B1D0000000000040D4B3A6011114C5E9B1D000000000005',NULL,1292869978);
INSERT INTO "batches" VALUES(5,'withdrawn','ba7c4000-2222-4c5e-9b1d-000000000007','single',1750000007.0,NULL,1750000007.5,NULL,NULL,NULL,NULL,NULL,NULL,7,NULL,NULL,NULL,NULL,0);
CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        entries BLOB NOT NULL     -- steps that are not in the tables yet: `journal_log`
    );
INSERT INTO "log" VALUES(1,X'9192009608D92462613763343030302D323232322D346335652D396231642D303030303030303030303038A56261746368CB41DA13B862000000C4200D4B3A6011114C5E9B1D0000000000090D4B3A6011114C5E9B1D000000000010CED34FC8D0');
INSERT INTO "log" VALUES(2,X'9192019508D92462613763343030302D323232322D346335652D396231642D303030303030303030303038C45084AF72656465656D5F71756572795F6964A56A6F622D31AC69735F636F6D706C65746564C2AE657374696D617465645F74696D6504B3657374696D617465645F74696D655F74797065A67365636F6E64CB41DA13B862200000CE454C52CF');
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('contact_types','["email-work","phone"]');
INSERT INTO "meta" VALUES('created_at',1750000000.5);
INSERT INTO "meta" VALUES('indexed_to',0);
INSERT INTO "meta" VALUES('origin',NULL);
CREATE TABLE open (
        id INTEGER PRIMARY KEY,   -- counts the requests
        batch_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at REAL NOT NULL, -- Unix times
        accepted_at REAL,
        job BLOB,                 -- the job, once it is accepted
        reason TEXT,              -- why it was unsettled before
        lost INTEGER,             -- as which it was unsettled before: the id among the ended ones
        keys NOT NULL,            -- the people: UUIDs of 16 bytes each, or else a JSON list
        held,                     -- those whose end is not known until this one ends; NULL: all
        seal INTEGER              -- CRC-32 of keys and job
    );
INSERT INTO "open" VALUES(5,'ba7c4000-2222-4c5e-9b1d-000000000005','batch',1750000006.0,NULL,NULL,NULL,NULL,X'0D4B3A6011114C5E9B1D0000000000060D4B3A6011114C5E9B1D000000000007',NULL,2518580930);
INSERT INTO "open" VALUES(6,'ba7c4000-2222-4c5e-9b1d-000000000006','single',1750000006.5,NULL,NULL,NULL,NULL,X'0D4B3A6011114C5E9B1D000000000002',NULL,3671221033);
CREATE TABLE people (
        key PRIMARY KEY NOT NULL,
        batch INTEGER NOT NULL    -- the batch that brought the newest end
    ) WITHOUT ROWID;
CREATE INDEX batches_lost ON batches (id) WHERE state IN ('unsettled', 'reopened');
COMMIT;
