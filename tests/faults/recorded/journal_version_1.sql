BEGIN TRANSACTION;
CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY, broker TEXT NOT NULL, ea_name TEXT NOT NULL, magic TEXT NOT NULL,
    symbol TEXT NOT NULL, request_id TEXT, fingerprint TEXT NOT NULL, approved INTEGER NOT NULL,
    body TEXT NOT NULL, reply TEXT NOT NULL, at REAL NOT NULL,
    reservation TEXT, released_at REAL, release_reason TEXT
) WITHOUT ROWID;
INSERT INTO "decisions" VALUES('51cdb12c4ab1d044','demo','alpha','7','EURUSD','approved-1','88e876427a386e0f723e8a45465ceea2',1,'{"type":"trade_open","broker":"demo","magic":7,"execute":false,"symbol":"EURUSD","ticket":0,"volume":"0.02","side":"buy","order_type":"market","price":null,"sl":null,"tp":null,"reduce":false,"comment":""}','{"status":"success","approved":true,"reasons":[],"risk_multiplier":1,"approved_volume":0.02,"max_volume":1.00,"approval_id":"51cdb12c4ab1d044","valid_until":1795736312.379,"valid_for_ms":5000}',1.79573630737864589688e+09,'{"side":"buy","volume":"0.02","valid_until":1795736312.379}',NULL,NULL);
INSERT INTO "decisions" VALUES('cfc254912bacf382','demo','alpha','7','EURUSD','denied-1','135a269b5035d6578c0ad7a9b06f5951',0,'{"type":"trade_open","broker":"demo","magic":7,"execute":false,"symbol":"EURUSD","ticket":0,"volume":"50","side":"buy","order_type":"market","price":null,"sl":null,"tp":null,"reduce":false,"comment":""}','{"status":"rejected","approved":false,"reasons":[{"rule":"max_volume","message":"one order of the account may have 1.0 lots, 50 were asked for","limit":1.0,"value":50}],"risk_multiplier":1,"approved_volume":0,"max_volume":1.00}',1.79573630731274557111e+09,NULL,NULL,NULL);
CREATE TABLE intents (
    order_id TEXT PRIMARY KEY, broker TEXT NOT NULL, ea_name TEXT NOT NULL, magic TEXT NOT NULL,
    symbol TEXT NOT NULL, request_id TEXT, fingerprint TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL,
    state TEXT NOT NULL, reply TEXT, settled_at REAL
) WITHOUT ROWID;
INSERT INTO "intents" VALUES('17d9676c236e4571','demo','alpha','7','EURUSD','limit-1','91c75e753cdac2824b6033c1da973700','{"type":"trade_open","broker":"demo","magic":7,"execute":true,"symbol":"EURUSD","ticket":0,"volume":"0.1","side":"buy","order_type":"limit","price":"1","sl":null,"tp":null,"reduce":false,"comment":"","approved_volume":"0.1"}',1.79573630732763719558e+09,'placed','{"status":"success","approved":true,"reasons":[],"risk_multiplier":1,"approved_volume":0.1,"max_volume":1.00,"order_id":"17d9676c236e4571","retcode":10009,"retcode_text":"The request was carried out.","ticket":1795736309,"order":1795736309,"price":null,"volume":0.1,"sl":null,"tp":null,"pending":true}',1.7957363073347320557e+09);
INSERT INTO "intents" VALUES('1ca30136c03fa0f1','demo','alpha','7','EURUSD','cut-off','1d7c56361cd73c4f6994b76bcbcd866a','{"type":"trade_open","broker":"demo","magic":7,"execute":true,"symbol":"EURUSD","ticket":0,"volume":"0.2","side":"buy","order_type":"market","price":null,"sl":null,"tp":null,"reduce":false,"comment":"","approved_volume":"0.2"}',1.79573630729228186607e+09,'intent',NULL,NULL);
INSERT INTO "intents" VALUES('7ee3f443d78b0a13','demo','alpha','7','EURUSD','open-1','ae318f4c3177c01bdf9efd6782547df3','{"type":"trade_open","broker":"demo","magic":7,"execute":true,"symbol":"EURUSD","ticket":0,"volume":"0.3","side":"buy","order_type":"market","price":null,"sl":null,"tp":null,"reduce":false,"comment":"","approved_volume":"0.3"}',1.79573630725590181354e+09,'filled','{"status":"success","approved":true,"reasons":[],"risk_multiplier":1,"approved_volume":0.3,"max_volume":1.00,"order_id":"7ee3f443d78b0a13","retcode":10009,"retcode_text":"The request was carried out.","ticket":1795736306,"order":1795736306,"price":1.08514,"volume":0.3,"sl":null,"tp":null}',1.79573630726362061505e+09);
INSERT INTO "intents" VALUES('9a2b10d2c56cebb9','demo','alpha','7','EURUSD','refused-1','e2cca311f7286ad6550fd1be69c82d0a','{"type":"trade_open","broker":"demo","magic":7,"execute":true,"symbol":"EURUSD","ticket":0,"volume":"0.1","side":"buy","order_type":"market","price":null,"sl":"1.3","tp":null,"reduce":false,"comment":"","approved_volume":"0.1"}',1795736307.28188,'refused','{"status":"error","approved":false,"reasons":[],"risk_multiplier":1,"approved_volume":0,"max_volume":1.00,"order_id":"9a2b10d2c56cebb9","retcode":10016,"retcode_text":"Stop loss or take profit is on the wrong side or too near; keep the stops level away.","code":"broker_refused","message":"stop loss 1.30000 of a buy must be below the bid, which is 1.08499"}',1.79573630728281736371e+09);
INSERT INTO "intents" VALUES('9bab1759fb8b94bc','demo','alpha','7','EURUSD','close-1','761d83c1298919b59def95d73bfbdf3f','{"type":"trade_close","broker":"demo","magic":7,"execute":true,"symbol":"EURUSD","ticket":1795736306,"volume":"0.1","side":null,"order_type":"market","price":null,"sl":null,"tp":null,"reduce":false,"comment":"","approved_volume":"0.1"}',1.79573630727245378492e+09,'filled','{"status":"success","approved":true,"reasons":[],"ticket":1795736306,"order_id":"9bab1759fb8b94bc","retcode":10009,"retcode_text":"The request was carried out.","order":1795736307,"price":1.08499,"volume":0.1,"profit":-1.50}',1.79573630727444386477e+09);
CREATE TABLE keys (
    ea_name TEXT NOT NULL, request_id TEXT NOT NULL, fingerprint TEXT NOT NULL,
    record_id TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (ea_name, request_id)
) WITHOUT ROWID;
INSERT INTO "keys" VALUES('alpha','approved-1','88e876427a386e0f723e8a45465ceea2','51cdb12c4ab1d044','decision',1.79573630737864589688e+09);
INSERT INTO "keys" VALUES('alpha','close-1','761d83c1298919b59def95d73bfbdf3f','9bab1759fb8b94bc','intent',1.79573630727245378492e+09);
INSERT INTO "keys" VALUES('alpha','cut-off','1d7c56361cd73c4f6994b76bcbcd866a','1ca30136c03fa0f1','intent',1.79573630729228186607e+09);
INSERT INTO "keys" VALUES('alpha','denied-1','135a269b5035d6578c0ad7a9b06f5951','cfc254912bacf382','decision',1.79573630731274557111e+09);
INSERT INTO "keys" VALUES('alpha','limit-1','91c75e753cdac2824b6033c1da973700','17d9676c236e4571','intent',1.79573630732763719558e+09);
INSERT INTO "keys" VALUES('alpha','open-1','ae318f4c3177c01bdf9efd6782547df3','7ee3f443d78b0a13','intent',1.79573630725590181354e+09);
INSERT INTO "keys" VALUES('alpha','refused-1','e2cca311f7286ad6550fd1be69c82d0a','9a2b10d2c56cebb9','intent',1795736307.28188);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
INSERT INTO "settings" VALUES('multiplier:beta','{"value":"0.5","by":"owner"}',1.79573630735040450099e+09);
INSERT INTO "settings" VALUES('state:other','{"state":"halted","cause":"recorded (by owner)","since":1795736307.3564804}',1.79573630735648035999e+09);
CREATE INDEX keys_by_time ON keys (at);
CREATE INDEX intents_open ON intents (broker, at) WHERE settled_at IS NULL;
CREATE INDEX decisions_reserved ON decisions (at) WHERE reservation IS NOT NULL AND released_at IS NULL;
COMMIT;
