// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.access.keys.KeysFixture;
import dev.flk.backend.logs.LogName;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.Key;
import dev.flk.program.config.KeysContract;
import dev.flk.program.config.Settings;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;

class BackendKeysTest extends KeysContract<BackendConfig> {
    private static final String TABLE = """
            PORT | http.port | 8080 | PORT=0 | 0 | -1;65536;99999999999;http;80 80
            BIND_ADDR | http.bindAddress | 0.0.0.0 | BIND_ADDR=::1 | ::1 | not an address;/x
            TLS_CERT | tls.certificate | - | {tls} | {dir}/own.crt | /no/such/file;a\0b
            TLS_KEY | tls.key | - | {tls} | {dir}/own.key | /no/such/file;a\0b
            TLS_CLIENT_CA | tls.clientAuthorities | - | {tls};TLS_CLIENT_CA={dir}/own.crt | {dir}/own.crt | /no/such/file;a\0b
            OPS_PORT | ops | - | OPS_PORT=9090 | OpsConfig[port=9090, bindAddress=127.0.0.1, debug=false] | -1;65536;on
            OPS_BIND_ADDR | ops.bindAddress | - | OPS_PORT=9090;OPS_BIND_ADDR=0.0.0.0 | 0.0.0.0 | not an address
            DEBUG | ops.debug | - | DEBUG=on;OPS_PORT=0;METRICS_USER=u;METRICS_PASS=a password of metrics | true | yes;1
            MAX_BODY_BYTES | http.maxBodyBytes | 1048576 | MAX_BODY_BYTES=64KiB | 65536 | 0;64MB;1TiB;x
            MAX_BATCH | http.maxBatchLines | 1000 | MAX_BATCH=7 | 7 | 0;1KiB;-5;100001
            MAX_BATCH_BYTES | http.maxBatchBytes | 8388608 | MAX_BATCH_BYTES=4096 | 4096 | 0;1 MiB;257MiB
            MAX_CONNECTIONS | http.maxConnections | 20000 | MAX_CONNECTIONS=7 | 7 | 0;-1;1000001;many
            MAX_REQUESTS | http.maxRequests | 10000 | MAX_REQUESTS=7 | 7 | 0;-1;1000001;1.5
            HEADER_TIMEOUT | http.headerTimeout | PT10S | HEADER_TIMEOUT=1000h | PT1000H | {not a duration};0;0s
            BODY_TIMEOUT | http.bodyTimeout | PT30S | BODY_TIMEOUT=1000h | PT1000H | {not a duration};0;0s
            IDLE_TIMEOUT | http.idleTimeout | PT1M15S | IDLE_TIMEOUT=1000h | PT1000H | {not a duration};0;0s
            TRUSTED_PROXIES | http.proxies |  | TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8 | 127.0.0.1,10.0.0.0/8 | proxy;10.0.0.0/33
            TOKEN_RATE | limit.tokensPerSecond | 100 | TOKEN_RATE=0.5/s | 0.5 | 0;-1;0.0001;many;100/m;10000001
            TOKEN_BURST | limit.burstTokens | 200 | TOKEN_BURST=5 | 5 | 0;-1;1.5;x
            SHARD_RATE | limit.shardRate | - | SHARD_RATE=0.5 | 0.5 | 0;off;0.0001
            ADDRESS_FAILURE_RATE | limit.failuresPerSecond | 10.000 | ADDRESS_FAILURE_RATE=0 | 0 | -1;0.0001;10000001;some
            ADDRESS_FAILURE_BURST | limit.failureBurst | 100 | ADDRESS_FAILURE_BURST=5 | 5 | 0;-1;1.5;x
            RATE_SHARED | isRateShared | false | {redis};REDIS_ADDR=h:1;RATE_SHARED=on | true | yes;1
            MAX_CONNECTIONS_PER_ADDRESS | limit.connectionsPerAddress | 10000 | MAX_CONNECTIONS_PER_ADDRESS=7 | 7 | 0;-1;1000001;many
            MAX_CLOCK_SKEW | maxClockSkew | PT5M | MAX_CLOCK_SKEW=1000h | PT1000H | {not a duration}
            PCS_SIGN_ALG | signing.getClass.getSimpleName | Off | PCS_SIGN_ALG=hmac;PCS_HMAC_KEY=k | Hmac | sha1;ed25519
            PCS_HMAC_KEY | signing.secrets.text | - | PCS_SIGN_ALG=hmac;PCS_HMAC_KEY=␣one-key, two-key␣ | [␣one-key, two-key␣] |
            PCS_HMAC_KEYS | signing.secrets.text | - | PCS_SIGN_ALG=hmac;PCS_HMAC_KEYS=old-key,new-key | [old-key, new-key] | old-key,
            PCS_ED25519_PUB_B64 | signing.publicKeys | - | PCS_SIGN_ALG=ed25519;PCS_ED25519_PUB_B64={key}=, {key}= | [{key}=, {key}=] | AAAA;{key}=,;{key}
            KEYS_FILE | signing | Off[] | PCS_SIGN_ALG=ed25519;KEYS_FILE={dir}/keys.json | Registered[file={dir}/keys.json, only=ED25519] | /no/such/file;a\0b
            TOL_D | policy.tolD | 0.15 | TOL_D=0.25 | 0.25 | {no tolerance}
            TOL_COH | policy.tolCoh | 0.05 | TOL_COH=0.25 | 0.25 | {no tolerance}
            TOL_BUDGET | policy.tolBudget | 0.01 | TOL_BUDGET=0.25 | 0.25 | {no tolerance}
            BUDGET_BASE | policy.base | 0.1 | BUDGET_BASE=-1.5e1 | -15.0 | {no real}
            BUDGET_ALPHA | policy.alpha | 0.3 | BUDGET_ALPHA=-1.5e1 | -15.0 | {no real}
            BUDGET_BETA | policy.beta | 0.5 | BUDGET_BETA=-1.5e1 | -15.0 | {no real}
            BUDGET_GAMMA | policy.gamma | 0.2 | BUDGET_GAMMA=-1.5e1 | -15.0 | {no real}
            BUDGET_D0 | policy.d0 | 2.2 | BUDGET_D0=-1.5e1 | -15.0 | {no real}
            WAL_DIR | inbox.walDir | data/wal | WAL_DIR=/var/w | /var/w | a\0b
            WAL_RETENTION | inbox.walRetention | PT336H | WAL_RETENTION=1000h | PT1000H | {not a duration};0;13d
            WAL_MIN_FREE_BYTES | inbox.walMinFreeBytes | 268435456 | WAL_MIN_FREE_BYTES=1GiB | 1073741824 | lots;-1;9999999999TiB
            WAL_SEGMENT_BYTES | inbox.segmentBytes | 67108864 | WAL_SEGMENT_BYTES=1GiB | 1073741824 | lots;-1;0;1023KiB;2GiB
            WAL_SEGMENT_AGE | inbox.segmentAge | PT24H | WAL_SEGMENT_AGE=10m | PT10M | {not a duration};0;999ms;31d
            WAL_ARCHIVE_COMMAND | inbox.archiveCommand.words | - | WAL_ARCHIVE_COMMAND=/opt/ship 'to there' %p s3:%f 100%% | [/opt/ship, to there, %p, s3:%f, 100%%] | cp %p;cp %f;cp '%p %f;cp %p %f %x;cp %p %f %;cp %p %f &;cp %p "$DIR/%f";cp %p %f\\
            LOG_NAME | logName | {host-8080} | LOG_NAME=b-1.example_ | b-1.example_ | a b;ä;,
            LOG_COPY | copy.topic | - | {kafka} | flk.inbox.b1 | on;s3
            LOG_COPY_REQUIRED | copy.isRequired | - | {kafka} | true | 1;sometimes
            LOG_COPY_REQUIRED | copy.isRequired | - | {kafka};LOG_COPY_REQUIRED=off | false |
            FEED_TOPIC | feed.topic | - | FEED_TOPIC=a_b;KAFKA_BROKERS=h:1 | a_b | a b;ä;/
            KAFKA_BROKERS | copy.kafka.brokers | - | LOG_COPY=kafka;LOG_NAME=b1;KAFKA_BROKERS=b1:9092, [::1]:9093 | b1:9092,[::1]:9093 | b1;b1:65536;,
            KAFKA_TOPIC | copy.topic | - | {kafka};KAFKA_TOPIC=a_b | a_b.b1 | a b;ä;/
            KAFKA_SECURITY_PROTOCOL | copy.kafka.properties | - | {kafka} | {client.dns.lookup=use_all_dns_ips, security.protocol=PLAINTEXT} | TLS;sasl
            KAFKA_SASL_MECHANISM | copy.kafka.properties | - | {sasl} | {client.dns.lookup=use_all_dns_ips, sasl.mechanism=PLAIN, security.protocol=SASL_PLAINTEXT} | GSSAPI;SCRAM
            KAFKA_SASL_JAAS_CONFIG | copy.kafka.secrets | - | {sasl} | {sasl.jaas.config=(secret)} |
            KAFKA_SSL_TRUSTSTORE_LOCATION | copy.kafka.properties | - | {ssl};KAFKA_SSL_TRUSTSTORE_LOCATION={dir}/own.crt | {client.dns.lookup=use_all_dns_ips, security.protocol=SSL, ssl.endpoint.identification.algorithm=https, ssl.keystore.type=JKS, ssl.truststore.location={dir}/own.crt, ssl.truststore.type=JKS} | /no/such/file;a\0b
            KAFKA_SSL_TRUSTSTORE_PASSWORD | copy.kafka.secrets | - | {ssl};KAFKA_SSL_TRUSTSTORE_PASSWORD=a password of the store | {ssl.truststore.password=(secret)} |
            KAFKA_SSL_TRUSTSTORE_TYPE | copy.kafka.properties | - | {ssl};KAFKA_SSL_TRUSTSTORE_TYPE=pem | {client.dns.lookup=use_all_dns_ips, security.protocol=SSL, ssl.endpoint.identification.algorithm=https, ssl.keystore.type=JKS, ssl.truststore.type=PEM} | DER
            KAFKA_SSL_KEYSTORE_LOCATION | copy.kafka.properties | - | {ssl};KAFKA_SSL_KEYSTORE_LOCATION={dir}/own.key | {client.dns.lookup=use_all_dns_ips, security.protocol=SSL, ssl.endpoint.identification.algorithm=https, ssl.keystore.location={dir}/own.key, ssl.keystore.type=JKS, ssl.truststore.type=JKS} | /no/such/file;a\0b
            KAFKA_SSL_KEYSTORE_PASSWORD | copy.kafka.secrets | - | {ssl};KAFKA_SSL_KEYSTORE_PASSWORD=a password of the store | {ssl.keystore.password=(secret)} |
            KAFKA_SSL_KEYSTORE_TYPE | copy.kafka.properties | - | {ssl};KAFKA_SSL_KEYSTORE_TYPE=PKCS12 | {client.dns.lookup=use_all_dns_ips, security.protocol=SSL, ssl.endpoint.identification.algorithm=https, ssl.keystore.type=PKCS12, ssl.truststore.type=JKS} | DER
            KAFKA_SSL_KEY_PASSWORD | copy.kafka.secrets | - | {ssl};KAFKA_SSL_KEY_PASSWORD=a password of the key | {ssl.key.password=(secret)} |
            KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM | copy.kafka.properties | - | {ssl};KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM=none | {client.dns.lookup=use_all_dns_ips, security.protocol=SSL, ssl.endpoint.identification.algorithm=, ssl.keystore.type=JKS, ssl.truststore.type=JKS} | off;ldaps
            KAFKA_CLIENT_DNS_LOOKUP | copy.kafka.properties | - | {kafka};KAFKA_CLIENT_DNS_LOOKUP=resolve_canonical_bootstrap_servers_only | {client.dns.lookup=resolve_canonical_bootstrap_servers_only, security.protocol=PLAINTEXT} | default
            AUDIT_DIR | auditDir | data/wal/audit | AUDIT_DIR=/var/log/flk | /var/log/flk | a\0b
            DEDUP_BACKEND | store | Embedded[dir=data/dedup] | DEDUP_BACKEND=memory;MEMORY_MAX_ENTRIES=9 | Memory[maxEntries=9] | rocksdb;redis;postgres
            DEDUP_DIR | store | Embedded[dir=data/dedup] | DEDUP_DIR=/d | Embedded[dir=/d] | data/wal;data/wal/x
            DEDUP_TTL | inbox.dedupTtl | PT336H | DEDUP_TTL=12h | PT12H | 15d;0;14
            DEDUP_TIMEOUT | store.server.timeout | - | {redis};REDIS_ADDR=cache:6379;DEDUP_TIMEOUT=250ms | PT0.25S | 9ms;61s;0;1
            MEMORY_MAX_ENTRIES | store.maxEntries | - | DEDUP_BACKEND=memory;MEMORY_MAX_ENTRIES=10 | 10 | 0;all
            REDIS_URI | store.server.uri.text | - | {redis};REDIS_URI=rediss://:p%40ss@h:1/0 | rediss://:p%40ss@h:1/0 | http://h;http://:{secret}@h;redis://h:1␣;redis://:p%zz@h:1;redis-sentinel://h1,h2
            REDIS_ADDR | store.server.uri.text | - | {redis};REDIS_ADDR=cache:6379 | redis://cache:6379 | cache;a:1,b
            REDIS_CLUSTER | store.server | - | {redis};REDIS_ADDR=a:1;REDIS_CLUSTER=on | RedisConfig[uri=(secret), timeout=PT1S, tag=flk] | yes
            REDIS_TAG | store.server.tag | - | {redis};REDIS_ADDR=a:1,b:2;REDIS_CLUSTER=on;REDIS_TAG=eu-1 | eu-1 | {x};ä
            POSTGRES_CONN | store.server.jdbcUrl | - | {postgres} | jdbc:postgresql://h:1,[::1]/d?sslmode=verify-full&targetServerType=primary | \
            mysql://h/d;postgres://h;postgres://u:{secret}@/d;postgres:///d;postgres://h/d?x;postgres://u%zz@h/d;postgres://u:p@ss@h/d;postgres://h/d?target_session_attrs=read-only
            POSTGRES_CONN | store.server.user | - | {postgres} | ann |
            POSTGRES_CONN | store.server.password.text | - | {postgres} | s@+:+ |
            POSTGRES_POOL_MIN | store.server.minPoolSize | - | {postgres};POSTGRES_POOL_MIN=0 | 0 | 65;some
            POSTGRES_POOL_MAX | store.server.maxPoolSize | - | {postgres};POSTGRES_POOL_MAX=64 | 64 | 1;65;many
            POSTGRES_ACQUIRE_TIMEOUT | store.server.acquireTimeout.time | - | {postgres};POSTGRES_ACQUIRE_TIMEOUT=2s | PT2S | 249ms;61s
            POSTGRES_STATEMENT_TIMEOUT | store.server.statementTimeout.time | - | {postgres};POSTGRES_STATEMENT_TIMEOUT=2s | PT2S | 9ms;61s
            POSTGRES_IDLE_TIMEOUT | store.server.idleTimeout | - | {postgres};POSTGRES_IDLE_TIMEOUT=1m | PT1M | 9s;25h
            POSTGRES_MAX_LIFETIME | store.server.maxLifetime | - | {postgres};POSTGRES_MAX_LIFETIME=1h | PT1H | 29s;25h
            RECORD | record.store | Embedded[directory=data/dedup] | RECORD=off | - | yes;1
            RECORD_STORE | record.storeName | embedded | {postgres};RECORD_STORE=embedded | embedded | memory;off
            RECORD_STORE | record.storeName | embedded | RECORD_STORE=postgres;POSTGRES_CONN=postgresql://u:p@h/d | postgres |
            RECORD_HISTORY | record.history | PT2160H | RECORD_HISTORY=1d | PT24H | {not a duration};23h;0
            REVIEW_AFTER | record.reviewAfter | PT24H | REVIEW_AFTER=1h | PT1H | {not a duration};59s;0
            CHANGE_ALERT | record.changeAlert | true | CHANGE_ALERT=off | false | yes;1
            AGENT_SILENT_AFTER | agents.silentAfter | PT5M | AGENT_SILENT_AFTER=1s | PT1S | {not a duration};999ms;13h
            METRICS_USER | http.operators.login.user | - | METRICS_USER=ann;METRICS_PASS=s | ann | with:colon
            UI | http.operators.ui | true | UI=off | false | yes;1
            UI_HOSTS | http.operators.hosts | [] | UI_HOSTS=Backend.example | [backend.example] | http://h;h:8080;a b;a,
            UI_URL | http.operators.url | - | UI_URL=https://b.example/ui | https://b.example/ui | b.example;ftp://b/ui;http://b/ui x
            METRICS_PASS | http.operators.login.password.text | - | METRICS_USER=ann;METRICS_PASS=s:ä␣ | s:ä␣ |
            WARM_UP | warmUp | true | WARM_UP=off | false | yes;1
            SHARD_METRICS | shardMetrics | 256 | SHARD_METRICS=0 | 0 | -1;10001;many
            LOG_LEVEL | log.level | INFO | LOG_LEVEL=debug | DEBUG | loud
            LOG_FORMAT | log.format | TEXT | LOG_FORMAT=json | JSON | xml
            """;

    private static final Map<String, String> PARTS = Map.ofEntries(
            Map.entry("{key}", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            Map.entry("{tls}", "TLS_CERT={dir}/own.crt;TLS_KEY={dir}/own.key"),
            Map.entry("{kafka}", "LOG_COPY=kafka;LOG_NAME=b1;KAFKA_BROKERS=b1:9092"),
            Map.entry(
                    "{sasl}",
                    "LOG_COPY=kafka;LOG_NAME=b1;KAFKA_BROKERS=b1:9092;KAFKA_SECURITY_PROTOCOL=sasl_plaintext"
                            + ";KAFKA_SASL_MECHANISM=plain;KAFKA_SASL_JAAS_CONFIG=PlainLoginModule required"),
            Map.entry("{ssl}", "LOG_COPY=kafka;LOG_NAME=b1;KAFKA_BROKERS=b1:9092;KAFKA_SECURITY_PROTOCOL=SSL"),
            Map.entry("{redis}", "DEDUP_BACKEND=redis"),
            Map.entry(
                    "{postgres}",
                    "DEDUP_BACKEND=postgres;POSTGRES_CONN=postgres://ann:s%40%2B%3A+@h:1,[::1]/d?sslmode=verify-full"
                            + "&target_session_attrs=read-write"),
            Map.entry("{not a duration}", "10;1w;-1s;9999999d;999999999999999d;1.5h"),
            Map.entry("{host-8080}", LogName.read(new Settings(List.of(LogName.LOG_NAME), Map.of(), null), 8_080)),
            Map.entry("{no tolerance}", "-0.01;NaN;1e999;0,1;x"),
            Map.entry("{no real}", "Infinity;1e999;0,1;0x1p3"));

    @BeforeEach
    void files() throws IOException {
        TestAuthority.named("a").issue("own", "localhost").writeTo(directory, "own");
        new KeysFixture(directory).write(KeysFixture.KeyText.ed25519("a", 1));
    }

    @Override
    protected Map<String, String> minimum() {
        return Map.of("PCS_SIGN_ALG", "none");
    }

    @Override
    protected String table() {
        return TABLE;
    }

    @Override
    protected String compared() {
        return """
                DEDUP_TTL | WAL_RETENTION=7d
                WAL_RETENTION | DEDUP_TTL=30d
                KEYS_FILE | PCS_SIGN_ALG=
                """;
    }

    @Override
    protected Map<String, String> parts() {
        return PARTS;
    }

    @Override
    protected List<Key<?>> keys() {
        return BackendConfig.KEYS;
    }

    @Override
    protected BackendConfig load(Map<String, String> environment, @Nullable Path file) {
        return BackendConfig.load(environment, file);
    }

    @Override
    protected Diagnosed<BackendConfig> diagnose(Map<String, String> environment) {
        return BackendConfig.diagnose(environment, null);
    }
}
