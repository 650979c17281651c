SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.flk_state_document(value text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
    RETURN value::jsonb;
EXCEPTION WHEN others THEN
    RETURN NULL;
END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.flk_evidence (
    pcs_id bytea NOT NULL,
    digest bytea NOT NULL,
    expires_at_millis bigint NOT NULL,
    CONSTRAINT flk_evidence_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT flk_evidence_pcs_id_check CHECK ((octet_length(pcs_id) = 32))
);
CREATE TABLE public.flk_outcomes (
    pcs_id bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    digest bytea NOT NULL,
    signed_digest text NOT NULL,
    expires_at_millis bigint NOT NULL,
    CONSTRAINT flk_outcomes_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT flk_outcomes_pcs_id_check CHECK ((octet_length(pcs_id) = 32))
);
CREATE TABLE public.flk_positions (
    log_id text NOT NULL,
    complete_up_to bigint NOT NULL,
    token text NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.flk_schema_history (
    installed_rank integer NOT NULL,
    version character varying(50),
    description character varying(200) NOT NULL,
    type character varying(20) NOT NULL,
    script character varying(1000) NOT NULL,
    checksum integer,
    installed_by character varying(100) NOT NULL,
    installed_on timestamp without time zone DEFAULT now() NOT NULL,
    execution_time integer NOT NULL,
    success boolean NOT NULL
);
CREATE TABLE public.flk_state (
    one boolean DEFAULT true NOT NULL,
    format integer NOT NULL,
    history_id text NOT NULL,
    revision bigint NOT NULL,
    committed_at bigint NOT NULL,
    floor bigint NOT NULL,
    floor_at bigint NOT NULL,
    removed bigint NOT NULL,
    unnoted bigint DEFAULT 0 NOT NULL,
    touches bigint DEFAULT 0 NOT NULL,
    touched_at bigint DEFAULT 0 NOT NULL,
    CONSTRAINT flk_state_one_check CHECK (one)
)
WITH (fillfactor='50');
CREATE TABLE public.flk_state_events (
    revision bigint NOT NULL,
    committed_at bigint NOT NULL,
    changes integer NOT NULL
);
CREATE TABLE public.flk_state_newest (
    namespace text NOT NULL COLLATE pg_catalog."C",
    agent_id text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    revision bigint NOT NULL,
    is_there boolean NOT NULL,
    document jsonb,
    expires_at bigint
);
CREATE TABLE public.flk_state_removed (
    namespace text NOT NULL COLLATE pg_catalog."C",
    agent_id text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL
);
CREATE TABLE public.flk_state_requests (
    caller bytea NOT NULL,
    request_id bytea NOT NULL,
    content text NOT NULL,
    revision bigint NOT NULL,
    committed_at bigint NOT NULL,
    versions bigint[] NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT flk_state_requests_request_id_check CHECK ((octet_length(request_id) <= 64))
);
CREATE TABLE public.flk_state_schema_history (
    installed_rank integer NOT NULL,
    version character varying(50),
    description character varying(200) NOT NULL,
    type character varying(20) NOT NULL,
    script character varying(1000) NOT NULL,
    checksum integer,
    installed_by character varying(100) NOT NULL,
    installed_on timestamp without time zone DEFAULT now() NOT NULL,
    execution_time integer NOT NULL,
    success boolean NOT NULL
);
CREATE TABLE public.flk_state_touches (
    number bigint NOT NULL,
    touched_at bigint NOT NULL
);
CREATE TABLE public.flk_state_trimmed (
    namespace text NOT NULL COLLATE pg_catalog."C",
    up_to bigint NOT NULL,
    removed bigint NOT NULL
);
CREATE TABLE public.flk_state_versions (
    namespace text NOT NULL COLLATE pg_catalog."C",
    agent_id text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    revision bigint NOT NULL,
    place integer NOT NULL,
    committed_at bigint NOT NULL,
    value text,
    ttl bigint,
    CONSTRAINT flk_state_versions_agent_id_check CHECK (((octet_length(agent_id) >= 1) AND (octet_length(agent_id) <= 256))),
    CONSTRAINT flk_state_versions_key_check CHECK (((octet_length(key) >= 1) AND (octet_length(key) <= 1024))),
    CONSTRAINT flk_state_versions_namespace_check CHECK ((namespace ~ '^[A-Za-z0-9._-]{1,64}$'::text)),
    CONSTRAINT flk_state_versions_place_check CHECK ((place > 0)),
    CONSTRAINT flk_state_versions_revision_check CHECK ((revision > 0)),
    CONSTRAINT flk_state_versions_value_check CHECK (((octet_length(value) >= 1) AND (octet_length(value) <= 2097152))),
    CONSTRAINT flk_state_versions_version_check CHECK ((version > 0))
);
INSERT INTO public.flk_outcomes VALUES ('\x5053769f743db21ca2db3024919b352599ee41df3f4bd2048f19a5d5df377059', 200, '\x7b227063735f6964223a2235303533373639663734336462323163613264623330323439313962333532353939656534316466336634626432303438663139613564356466333737303539222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x43eea97f34d2dd6f2783d096b8be96bae7ad7be0531ea8ce6cf51752bd547e21', '426f698ce3325ba4', 2111242942096);
INSERT INTO public.flk_outcomes VALUES ('\x3b47b6f481b394e8f829dde494c1895d1390f5c32802b332469fab13881c0d4d', 200, '\x7b227063735f6964223a2233623437623666343831623339346538663832396464653439346331383935643133393066356333323830326233333234363966616231333838316330643464222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x402032654b3f890c51c0b99cc2051910b845b6ef957587d053d088bbb765d2a9', 'a248ec107665b3ba', 2111242942180);
INSERT INTO public.flk_outcomes VALUES ('\xdf18caf2272b8171d05134c520dcf4f42eddff7f11dd585dcb728933a82bbe2e', 200, '\x7b227063735f6964223a2264663138636166323237326238313731643035313334633532306463663466343265646466663766313164643538356463623732383933336138326262653265222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x90353d413aceb334faa2a1042f08731fd3ad159b4d7abff5722223ba173206e1', '60142a14721332ce', 2111242942196);
INSERT INTO public.flk_outcomes VALUES ('\xf379e2f5e3621aa701940741bb19b19fe80ae757bf77cdcd9eb7a2274d5ba531', 200, '\x7b227063735f6964223a2266333739653266356533363231616137303139343037343162623139623139666538306165373537626637376364636439656237613232373464356261353331222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\xb9babe348f5606d1bf1619286c89dd9e0abc19e21424252f1ec103b772bec18a', '7841498eb50f1d1b', 2111242942207);
INSERT INTO public.flk_outcomes VALUES ('\x4c1752b60e38674c803c7faaef2a7e6eeb6b5463426446f97c9fe763465a847d', 200, '\x7b227063735f6964223a2234633137353262363065333836373463383033633766616165663261376536656562366235343633343236343436663937633966653736333436356138343764222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x2ac58403d6586a6bf332d77935af0748f057340ea1b1dd1314cc3fdcf4a9ef54', '96f0264159a20dc3', 2111242942216);
INSERT INTO public.flk_outcomes VALUES ('\x700ea2422e994033127fba9655117ff261486128abd394ee0876c92499d87363', 200, '\x7b227063735f6964223a2237303065613234323265393934303333313237666261393635353131376666323631343836313238616264333934656530383736633932343939643837333633222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\xadeff29582c5728d20250bfa458a104c31a5d1dacaf41dcd9215b2c040f9c6ba', 'a9592da7ea0ea7b4', 2111242942225);
INSERT INTO public.flk_outcomes VALUES ('\xda68994006d61ae14b2b463b0d79685f5e2a3efc3a9b4606d266864ace398ace', 200, '\x7b227063735f6964223a2264613638393934303036643631616531346232623436336230643739363835663565326133656663336139623436303664323636383634616365333938616365222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x3292638551fa43b5ebb91855f006e9fc8e9d7d5428c57eb8d5ca65887ccadb19', '445a54f71e9d7106', 2111242942233);
INSERT INTO public.flk_outcomes VALUES ('\x09e176bdad6a4f59ef1394b453780376bfccc8821802f20db842da51e6fd67f4', 200, '\x7b227063735f6964223a2230396531373662646164366134663539656631333934623435333738303337366266636363383832313830326632306462383432646135316536666436376634222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x970cba0a2ae146599827a316eadba9f29495e13cdbf3639a9074f6c360bf39d5', '34077b97b8e940d7', 2111242942242);
INSERT INTO public.flk_outcomes VALUES ('\xfe277c24fcaa3c9682370e7500097fe7c897c7674bda885caf3f7993053016ce', 200, '\x7b227063735f6964223a2266653237376332346663616133633936383233373065373530303039376665376338393763373637346264613838356361663366373939333035333031366365222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x1e9acfce22775fdbf8329080a03cf66a716e8b5ed7a56ecb76be78f06d0f3a6e', 'd5db09606033e72c', 2111242942250);
INSERT INTO public.flk_outcomes VALUES ('\x4dc994e7447f7622a031639290d064eba80ced609898ad54280d6709b9390e56', 200, '\x7b227063735f6964223a2234646339393465373434376637363232613033313633393239306430363465626138306365643630393839386164353432383064363730396239333930653536222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x23cddf23789c64812e3800b00275255d8d317185d7bd9234a18b857413a2a523', '6f0be243c9ed9f07', 2111242942286);
INSERT INTO public.flk_outcomes VALUES ('\x6e0ea15dbbaeac9f8aa126c7f4d582200fc5ed83b67a73218ea7f562619f3a58', 200, '\x7b227063735f6964223a2236653065613135646262616561633966386161313236633766346435383232303066633565643833623637613733323138656137663536323631396633613538222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x1e3fca9cff9e6d7ef0a93f7622764ed5886393a2efa2f584b6c9f1dfe4a38fae', '321f76603317739f', 2111242942306);
INSERT INTO public.flk_outcomes VALUES ('\x34948035771a10056dc139d5b9909a23790deba3a9fee3b2b214f24972cc2853', 200, '\x7b227063735f6964223a2233343934383033353737316131303035366463313339643562393930396132333739306465626133613966656533623262323134663234393732636332383533222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\xf25eb9647e9ec8fd8c410c8b87ead4b0aaf53212c6df5e3b9763a31ae20e0eab', 'c4aae5c31e7adbc3', 2111242942315);
INSERT INTO public.flk_outcomes VALUES ('\xe61ffb815835e95b29dc282326db09e2bb0c9702daa290c1969c1296005c11fd', 200, '\x7b227063735f6964223a2265363166666238313538333565393562323964633238323332366462303965326262306339373032646161323930633139363963313239363030356331316664222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x0730ac26f26102da4d4c21dd17e687f9d8e7a50b7c03b6e0b08abdf9573f9cb6', 'c2b29d13be0068ea', 2111242942332);
INSERT INTO public.flk_outcomes VALUES ('\x0da546dc82ddd91866e28b66d3b12d6c176f1f2edcb19eecc0de637a949e7c38', 200, '\x7b227063735f6964223a2230646135343664633832646464393138363665323862363664336231326436633137366631663265646362313965656363306465363337613934396537633338222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x0e9d5466256df31c0d79cef38a34698979c41c259a16609e6aba845ddf801b8d', 'bc17460c3b7d1be8', 2111242942349);
INSERT INTO public.flk_outcomes VALUES ('\xb1099f21157718e807801a289c074170ede4102a4262a5e52295d91455e4b0c9', 200, '\x7b227063735f6964223a2262313039396632313135373731386538303738303161323839633037343137306564653431303261343236326135653532323935643931343535653462306339222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x408e1d53c9c9f6b906831496a49af3fc0bdef92caf64bad2f3266ec9b3b5cf9b', '8e0f1868f68acbdb', 2111242942373);
INSERT INTO public.flk_outcomes VALUES ('\x0d621213ad1a9dcb019ee0432353331a3f7005987f432dc669e3441d7b2d9185', 200, '\x7b227063735f6964223a2230643632313231336164316139646362303139656530343332333533333331613366373030353938376634333264633636396533343431643762326439313835222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\xe3f4ae68b5d54759cd632fd84b2fef1e683636d566f22e84ba388d42cc717006', '05f1b0ed1fd72082', 2111242942395);
INSERT INTO public.flk_outcomes VALUES ('\x9142d8f965fd5ee3083bb9dedde5445f89b3fe386d17f9e2063d8935757f78da', 200, '\x7b227063735f6964223a2239313432643866393635666435656533303833626239646564646535343435663839623366653338366431376639653230363364383933353735376637386461222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x44194a910ee8f0a58a3c4f82570c7b4652a85440dc0d46c06413027f8abfc63a', '607177cfa8a4a302', 2111242942414);
INSERT INTO public.flk_outcomes VALUES ('\xd288d1a6afe03be31aeba3ba4fc8fbeb4735d266a30c576ff6570a06ed3c4b2f', 200, '\x7b227063735f6964223a2264323838643161366166653033626533316165626133626134666338666265623437333564323636613330633537366666363537306130366564336334623266222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x57fd98a4c824dabf17831002c7b1124b518fd84ef5fe059baeca89871f2666bc', 'bd0470cc71dd53f6', 2111242942435);
INSERT INTO public.flk_outcomes VALUES ('\xdc7238a60510926e26d9ecd6f298e02089329c177eb626a15afd013a8059cbf3', 200, '\x7b227063735f6964223a2264633732333861363035313039323665323664396563643666323938653032303839333239633137376562363236613135616664303133613830353963626633222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\xbe13e50dbed62ad6facea5da821f763ce7b145af86ac70a11666141fd91515d5', 'a7b3d13f1f9320ce', 2111242942455);
INSERT INTO public.flk_outcomes VALUES ('\xe73a74210cffe3cb2d23a589301ce2aa9ebc7ddcd0a8d2422413e80ed6cbd424', 200, '\x7b227063735f6964223a2265373361373432313063666665336362326432336135383933303163653261613965626337646463643061386432343232343133653830656436636264343234222c226163636570746564223a747275652c22657363616c61746564223a66616c73652c22445f686174223a312e302c227265636f6d70757465645f445f686174223a312e302c227265636f6d70757465645f627564676574223a302e32362c22726567696d65223a226d69786564222c22706f6c696379223a22643432643837666534613938227d', '\x562285136a2bd04e489a30886b8875eecce38783387e33cd3a21c62a5a3964bd', 'c4d43fc836244399', 2111242942474);
INSERT INTO public.flk_positions VALUES ('1c41bb84ee01778399b6225fadb11fe1', 20, '69db8f7b80e1da46b64f276e8225fd2f.28');
INSERT INTO public.flk_schema_history VALUES (1, '1', 'outcomes positions evidence', 'SQL', 'V1__outcomes_positions_evidence.sql', -1407294588, 'flk', '2026-11-28 16:22:20.938404', 49, true);
INSERT INTO public.flk_state VALUES (true, 1, 'b2ba36e6c370221c0a92fd46c589c9b9', 2, 1795882942831000, 0, 0, 0, 0, 0, 0);
INSERT INTO public.flk_state_events VALUES (1, 1795882942368000, 9);
INSERT INTO public.flk_state_events VALUES (2, 1795882942831000, 13);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000001/5053769f743db21ca2db3024919b352599ee41df3f4bd2048f19a5d5df377059', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.096Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000002/3b47b6f481b394e8f829dde494c1895d1390f5c32802b332469fab13881c0d4d', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.180Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000003/df18caf2272b8171d05134c520dcf4f42eddff7f11dd585dcb728933a82bbe2e', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.196Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000004/f379e2f5e3621aa701940741bb19b19fe80ae757bf77cdcd9eb7a2274d5ba531', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.207Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000005/4c1752b60e38674c803c7faaef2a7e6eeb6b5463426446f97c9fe763465a847d', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.216Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000006/700ea2422e994033127fba9655117ff261486128abd394ee0876c92499d87363', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.225Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000007/da68994006d61ae14b2b463b0d79685f5e2a3efc3a9b4606d266864ace398ace', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.233Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000008/09e176bdad6a4f59ef1394b453780376bfccc8821802f20db842da51e6fd67f4', 1, 1, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.242Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000009/fe277c24fcaa3c9682370e7500097fe7c897c7674bda885caf3f7993053016ce', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.250Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000010/4dc994e7447f7622a031639290d064eba80ced609898ad54280d6709b9390e56', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.286Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000011/6e0ea15dbbaeac9f8aa126c7f4d582200fc5ed83b67a73218ea7f562619f3a58', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.306Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.positions', 'record', '1c41bb84ee01778399b6225fadb11fe1', 2, 2, true, '{"digest": "66cb85e174c3201f", "sequence": 20}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000012/34948035771a10056dc139d5b9909a23790deba3a9fee3b2b214f24972cc2853', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.315Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000013/e61ffb815835e95b29dc282326db09e2bb0c9702daa290c1969c1296005c11fd', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.332Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000014/0da546dc82ddd91866e28b66d3b12d6c176f1f2edcb19eecc0de637a949e7c38', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.349Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000015/b1099f21157718e807801a289c074170ede4102a4262a5e52295d91455e4b0c9', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.373Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000016/0d621213ad1a9dcb019ee0432353331a3f7005987f432dc669e3441d7b2d9185', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.395Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000017/9142d8f965fd5ee3083bb9dedde5445f89b3fe386d17f9e2063d8935757f78da', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.414Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000018/d288d1a6afe03be31aeba3ba4fc8fbeb4735d266a30c576ff6570a06ed3c4b2f', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.435Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000019/dc7238a60510926e26d9ecd6f298e02089329c177eb626a15afd013a8059cbf3', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.455Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_newest VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000020/e73a74210cffe3cb2d23a589301ce2aa9ebc7ddcd0a8d2422413e80ed6cbd424', 1, 2, true, '{"r": 0.8, "N_j": {"2": 5, "4": 10, "8": 20, "16": 40}, "D_hat": 1.0, "budget": 0.26, "key_id": "none", "policy": "d42d87fe4a98", "regime": "mixed", "scales": [2, 4, 8, 16], "verdict": "accepted", "coh_star": 0.5, "merkle_root": "f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d", "received_at": "2026-11-28T16:22:22.474Z", "recomputed_D_hat": 1.0, "recomputed_budget": 0.26}', NULL);
INSERT INTO public.flk_state_schema_history VALUES (1, '1', 'state', 'SQL', 'V1__state.sql', -1602525981, 'flk', '2026-11-28 16:22:20.938923', 71, true);
INSERT INTO public.flk_state_schema_history VALUES (2, '2', 'index of documents', 'SQL', 'V2__index_of_documents.sql', 535282999, 'flk', '2026-11-28 16:22:21.126106', 22, true);
INSERT INTO public.flk_state_schema_history VALUES (3, '3', 'removed', 'SQL', 'V3__removed.sql', 267262004, 'flk', '2026-11-28 16:22:21.170057', 24, true);
INSERT INTO public.flk_state_schema_history VALUES (4, '4', 'lifetimes', 'SQL', 'V4__lifetimes.sql', -829682066, 'flk', '2026-11-28 16:22:21.209561', 14, true);
INSERT INTO public.flk_state_schema_history VALUES (5, '5', 'touches', 'SQL', 'V5__touches.sql', -711355598, 'flk', '2026-11-28 16:22:21.235248', 19, true);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000001/5053769f743db21ca2db3024919b352599ee41df3f4bd2048f19a5d5df377059', 1, 1, 1, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.096Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000002/3b47b6f481b394e8f829dde494c1895d1390f5c32802b332469fab13881c0d4d', 1, 1, 2, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.180Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000003/df18caf2272b8171d05134c520dcf4f42eddff7f11dd585dcb728933a82bbe2e', 1, 1, 3, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.196Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000004/f379e2f5e3621aa701940741bb19b19fe80ae757bf77cdcd9eb7a2274d5ba531', 1, 1, 4, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.207Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000005/4c1752b60e38674c803c7faaef2a7e6eeb6b5463426446f97c9fe763465a847d', 1, 1, 5, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.216Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000006/700ea2422e994033127fba9655117ff261486128abd394ee0876c92499d87363', 1, 1, 6, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.225Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000007/da68994006d61ae14b2b463b0d79685f5e2a3efc3a9b4606d266864ace398ace', 1, 1, 7, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.233Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000008/09e176bdad6a4f59ef1394b453780376bfccc8821802f20db842da51e6fd67f4', 1, 1, 8, 1795882942368000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.242Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.positions', 'record', '1c41bb84ee01778399b6225fadb11fe1', 1, 1, 9, 1795882942368000, '{"sequence":8,"digest":"a5d68b6ad799bbdc"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000009/fe277c24fcaa3c9682370e7500097fe7c897c7674bda885caf3f7993053016ce', 1, 2, 1, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.250Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000010/4dc994e7447f7622a031639290d064eba80ced609898ad54280d6709b9390e56', 1, 2, 2, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.286Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000011/6e0ea15dbbaeac9f8aa126c7f4d582200fc5ed83b67a73218ea7f562619f3a58', 1, 2, 3, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.306Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000012/34948035771a10056dc139d5b9909a23790deba3a9fee3b2b214f24972cc2853', 1, 2, 4, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.315Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000013/e61ffb815835e95b29dc282326db09e2bb0c9702daa290c1969c1296005c11fd', 1, 2, 5, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.332Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000014/0da546dc82ddd91866e28b66d3b12d6c176f1f2edcb19eecc0de637a949e7c38', 1, 2, 6, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.349Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000015/b1099f21157718e807801a289c074170ede4102a4262a5e52295d91455e4b0c9', 1, 2, 7, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.373Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000016/0d621213ad1a9dcb019ee0432353331a3f7005987f432dc669e3441d7b2d9185', 1, 2, 8, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.395Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000017/9142d8f965fd5ee3083bb9dedde5445f89b3fe386d17f9e2063d8935757f78da', 1, 2, 9, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.414Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000018/d288d1a6afe03be31aeba3ba4fc8fbeb4735d266a30c576ff6570a06ed3c4b2f', 1, 2, 10, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.435Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000019/dc7238a60510926e26d9ecd6f298e02089329c177eb626a15afd013a8059cbf3', 1, 2, 11, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.455Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.record', 'bench-1', 'epoch/0000000000000000020/e73a74210cffe3cb2d23a589301ce2aa9ebc7ddcd0a8d2422413e80ed6cbd424', 1, 2, 12, 1795882942831000, '{"verdict":"accepted","D_hat":1.0,"recomputed_D_hat":1.0,"recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98","budget":0.26,"coh_star":0.5,"r":0.8,"merkle_root":"f3e05a9502b3b9bb6c9a6a96abf979d2af435c078878ccbf2431e15301c6f80d","N_j":{"2":5,"4":10,"8":20,"16":40},"scales":[2,4,8,16],"received_at":"2026-11-28T16:22:22.474Z","key_id":"none"}', NULL);
INSERT INTO public.flk_state_versions VALUES ('flk.positions', 'record', '1c41bb84ee01778399b6225fadb11fe1', 2, 2, 13, 1795882942831000, '{"sequence":20,"digest":"66cb85e174c3201f"}', NULL);
ALTER TABLE ONLY public.flk_evidence
    ADD CONSTRAINT flk_evidence_pkey PRIMARY KEY (pcs_id, digest);
ALTER TABLE ONLY public.flk_outcomes
    ADD CONSTRAINT flk_outcomes_pkey PRIMARY KEY (pcs_id);
ALTER TABLE ONLY public.flk_positions
    ADD CONSTRAINT flk_positions_pkey PRIMARY KEY (log_id);
ALTER TABLE ONLY public.flk_schema_history
    ADD CONSTRAINT flk_schema_history_pk PRIMARY KEY (installed_rank);
ALTER TABLE ONLY public.flk_state_events
    ADD CONSTRAINT flk_state_events_pkey PRIMARY KEY (revision);
ALTER TABLE ONLY public.flk_state_newest
    ADD CONSTRAINT flk_state_newest_pkey PRIMARY KEY (namespace, agent_id, key);
ALTER TABLE ONLY public.flk_state
    ADD CONSTRAINT flk_state_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.flk_state_removed
    ADD CONSTRAINT flk_state_removed_pkey PRIMARY KEY (namespace, agent_id);
ALTER TABLE ONLY public.flk_state_requests
    ADD CONSTRAINT flk_state_requests_pkey PRIMARY KEY (caller, request_id);
ALTER TABLE ONLY public.flk_state_schema_history
    ADD CONSTRAINT flk_state_schema_history_pk PRIMARY KEY (installed_rank);
ALTER TABLE ONLY public.flk_state_touches
    ADD CONSTRAINT flk_state_touches_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.flk_state_trimmed
    ADD CONSTRAINT flk_state_trimmed_pkey PRIMARY KEY (namespace);
ALTER TABLE ONLY public.flk_state_versions
    ADD CONSTRAINT flk_state_versions_pkey PRIMARY KEY (namespace, agent_id, key, version);
CREATE INDEX flk_evidence_expiry ON public.flk_evidence USING btree (expires_at_millis);
CREATE INDEX flk_outcomes_expiry ON public.flk_outcomes USING btree (expires_at_millis);
CREATE INDEX flk_schema_history_s_idx ON public.flk_schema_history USING btree (success);
CREATE INDEX flk_state_events_time ON public.flk_state_events USING btree (committed_at);
CREATE INDEX flk_state_newest_documents ON public.flk_state_newest USING gin (document jsonb_path_ops) WITH (gin_pending_list_limit='65536');
CREATE INDEX flk_state_newest_expiry ON public.flk_state_newest USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE INDEX flk_state_newest_there ON public.flk_state_newest USING btree (namespace, agent_id) WHERE is_there;
CREATE INDEX flk_state_requests_expiry ON public.flk_state_requests USING btree (expires_at);
CREATE INDEX flk_state_schema_history_s_idx ON public.flk_state_schema_history USING btree (success);
CREATE UNIQUE INDEX flk_state_versions_order ON public.flk_state_versions USING btree (revision, place);
