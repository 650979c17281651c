// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.config;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.KeysFixture;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.Key;
import dev.flk.program.config.KeysContract;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of each setting. */
class ServerKeysTest extends KeysContract<ServerConfig> {
    private static final String TABLE = """
            PORT | port | 8081 | PORT=0 | 0 | -1;65536;http
            BIND_ADDR | bindAddress | 0.0.0.0 | BIND_ADDR=::1 | ::1 | not an address;/x
            OPS_PORT | ops | - | OPS_PORT=9090 | OpsConfig[port=9090, bindAddress=127.0.0.1, debug=false] | -1;65536;on
            OPS_BIND_ADDR | ops.bindAddress | - | OPS_PORT=9090;OPS_BIND_ADDR=0.0.0.0 | 0.0.0.0 | not an address
            DEBUG | ops.debug | - | DEBUG=on;OPS_PORT=0;METRICS_USER=u;METRICS_PASS=a password of metrics | true | yes;1
            METRICS_USER | operators.login.user | - | METRICS_USER=ann;METRICS_PASS=s | ann | with:colon
            METRICS_PASS | operators.login.password.text | - | METRICS_USER=ann;METRICS_PASS=s:ä␣ | s:ä␣ |
            UI | operators.ui | true | UI=off | false | yes;1
            UI_HOSTS | operators.hosts | [] | UI_HOSTS=Backend.example | [backend.example] | http://h;h:8080;a b;a,
            UI_URL | operators.url | - | UI_URL=https://b.example/ui | https://b.example/ui | b.example;ftp://b/ui;http://b/ui x
            TLS_CERT | tls.certificate | - | {tls} | {dir}/own.crt | /no/such/file;a\0b
            TLS_KEY | tls.key | - | {tls} | {dir}/own.key | /no/such/file;a\0b
            TLS_CLIENT_CA | tls.clientAuthorities | - | {tls};TLS_CLIENT_CA={dir}/own.crt | {dir}/own.crt | /no/such/file;a\0b
            PCS_SIGN_ALG | signing.getClass.getSimpleName | Off | PCS_SIGN_ALG=hmac;PCS_HMAC_KEY=k | Hmac | sha1;ed25519
            PCS_HMAC_KEY | signing.secrets.text | - | PCS_SIGN_ALG=hmac;PCS_HMAC_KEY=␣one-key, two-key␣ | [␣one-key, two-key␣] |
            PCS_HMAC_KEYS | signing.secrets.text | - | PCS_SIGN_ALG=hmac;PCS_HMAC_KEYS=old-key,new-key | [old-key, new-key] | old-key,
            PCS_ED25519_PUB_B64 | signing.publicKeys | - | PCS_SIGN_ALG=ed25519;PCS_ED25519_PUB_B64={key}=, {key}= | [{key}=, {key}=] | AAAA;{key}=,;{key}
            KEYS_FILE | signing | Off[] | PCS_SIGN_ALG=ed25519;KEYS_FILE={dir}/keys.json | Registered[file={dir}/keys.json, only=ED25519] | /no/such/file;a\0b
            LOG_LEVEL | log.level | INFO | LOG_LEVEL=debug | DEBUG | loud
            LOG_FORMAT | log.format | TEXT | LOG_FORMAT=json | JSON | xml
            STATE_PORT | state.port | 50051 | STATE_PORT=0 | 0 | -1;65536;on
            STATE_PORT | state.bindAddress | 127.0.0.1 | STATE_PORT=OFF;SESSION_STORE=redis;REDIS_ADDR=h:1 | - |
            STATE_TOKENS_FILE | state.bindAddress | 127.0.0.1 | STATE_TOKENS_FILE={dir}/tokens.json | 0.0.0.0 | /no/such/file;{dir}/keys.json
            STATE_AUTH | state.openToAll | false | STATE_AUTH=none;BIND_ADDR=::1 | true | tokens;off
            STATE_ENGINE | state.engineName | embedded | STATE_ENGINE=memory | memory | etcd
            STATE_ENGINE | state.postgres.maxPoolSize | - | {postgres} | 4 |
            STATE_DIR | state.directory | data/state | STATE_DIR=/s | /s | a\0b
            STATE_CACHE_BYTES | state.cacheBytes | 67108864 | STATE_CACHE_BYTES=1MiB | 1048576 | 0;64KiB;2GiB
            STATE_MIN_FREE_BYTES | state.engine.minFreeBytes | 536870912 | STATE_MIN_FREE_BYTES=1GiB | 1073741824 | lots
            STATE_MAX_VALUE_BYTES | state.engine.maxValueBytes | 1048576 | STATE_MAX_VALUE_BYTES=64KiB | 65536 | 0;3MiB;x
            STATE_TX_TIMEOUT | state.engine.txTimeout | PT30S | STATE_TX_TIMEOUT=5m | PT5M | {not a duration};0;999ms;61m
            STATE_MAX_OPEN_TX | state.engine.maxOpenTx | 1024 | STATE_MAX_OPEN_TX=1 | 1 | 0;100001;many
            STATE_HISTORY | state.history | - | STATE_HISTORY=30d | PT720H | {not a duration};59s;0
            SESSION_STORE | sessions.redis | - | SESSION_STORE=redis;REDIS_ADDR=h:1;DEDUP_TIMEOUT=2s | RedisConfig[uri=(secret), timeout=PT2S, tag=] | on;postgres
            SESSION_TTL | sessions.ttl | PT1H | SESSION_TTL=30d | PT720H | {not a duration};9s;31d;5m
            SESSION_SILENT_AFTER | sessions.silentAfter | PT5M | SESSION_SILENT_AFTER=1s | PT1S | {not a duration};999ms;1h
            SESSION_DATABASE_URL | sessions.database | - | SESSION_STORE=redis;REDIS_ADDR=h:1;SESSION_DATABASE_URL=postgresql://u:{secret}@h/d | Postgres[h/d, pool=1..1, timeout=PT10S] | h/d;redis://h
            SESSION_EVENTS | sessions.eventsKept | PT24H | SESSION_EVENTS=7d | PT168H | {not a duration};59s;36501d
            SESSION_STREAM_BYTES | sessions.maxStreamBytes | 268435456 | SESSION_STREAM_BYTES=1GiB | 1073741824 | lots;-1;9999999999TiB
            REDIS_URI | sessions.redis.uri.text | - | SESSION_STORE=redis;REDIS_URI=rediss://:p%40ss@h:1/0 | rediss://:p%40ss@h:1/0 | http://h
            REDIS_ADDR | sessions.redis.uri.text | - | SESSION_STORE=redis;REDIS_ADDR=cache:6379 | redis://cache:6379 | cache
            REDIS_CLUSTER | sessions.redis.tag | - | SESSION_STORE=redis;REDIS_ADDR=a:1;REDIS_CLUSTER=on | flk | yes
            REDIS_TAG | sessions.redis.tag | - | SESSION_STORE=redis;REDIS_ADDR=a:1;REDIS_CLUSTER=on;REDIS_TAG=eu-1 | eu-1 | {x};ä
            DEDUP_TIMEOUT | sessions.redis.timeout | - | SESSION_STORE=redis;REDIS_ADDR=cache:6379;DEDUP_TIMEOUT=250ms | PT0.25S | 9ms;61s;0;1
            POSTGRES_CONN | state.postgres.user | - | {postgres} | ann | mysql://h/d;postgres://u:{secret}@/d
            POSTGRES_POOL_MIN | state.postgres.minPoolSize | - | {postgres};POSTGRES_POOL_MIN=0 | 0 | 65;some
            POSTGRES_POOL_MAX | state.postgres.maxPoolSize | - | {postgres};POSTGRES_POOL_MAX=64 | 64 | 1;65;many
            POSTGRES_ACQUIRE_TIMEOUT | state.postgres.acquireTimeout.time | - | {postgres};POSTGRES_ACQUIRE_TIMEOUT=2s | PT2S | 249ms;61s
            POSTGRES_STATEMENT_TIMEOUT | state.postgres.statementTimeout.time | - | {postgres};POSTGRES_STATEMENT_TIMEOUT=2s | PT2S | 9ms;61s
            POSTGRES_IDLE_TIMEOUT | state.postgres.idleTimeout | - | {postgres};POSTGRES_IDLE_TIMEOUT=1m | PT1M | 9s;25h
            POSTGRES_MAX_LIFETIME | state.postgres.maxLifetime | - | {postgres};POSTGRES_MAX_LIFETIME=1h | PT1H | 29s;25h
            AUDIT_DIR | auditDir | data/audit | AUDIT_DIR=/var/log/flk | /var/log/flk | a\0b
            """;

    @BeforeEach
    void files() throws IOException {
        TestAuthority.named("a").issue("own", "localhost").writeTo(directory, "own");
        Files.writeString(directory.resolve("tokens.json"), "{\"version\":1,\"tokens\":[]}");
        new KeysFixture(directory).write(KeysFixture.KeyText.ed25519("a", 1));
    }

    @Test
    void withoutKeys_itStarts_andSaysThatAgentsCantSign() {
        assertThat(ServerConfig.load(Map.of(), null).warnings())
                .containsExactly(
                        "KEYS_FILE, PCS_SIGN_ALG: not set, so agents can't sign for their sessions; only tokens can");
    }

    @Override
    protected Path page() {
        return Path.of("../../docs/state/configuration.md");
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
                KEYS_FILE | PCS_SIGN_ALG=
                """;
    }

    @Override
    protected Map<String, String> parts() {
        return Map.of(
                "{key}", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "{tls}", "TLS_CERT={dir}/own.crt;TLS_KEY={dir}/own.key",
                "{postgres}", "STATE_ENGINE=postgres;POSTGRES_CONN=postgres://ann:s@h:1/d".replace("s@", "s%40@"),
                "{not a duration}", "10;1w;-1s;9999999d;999999999999999d;1.5h");
    }

    @Override
    protected List<Key<?>> keys() {
        return ServerConfig.KEYS;
    }

    @Override
    protected ServerConfig load(Map<String, String> environment, @Nullable Path file) {
        return ServerConfig.load(environment, file);
    }

    @Override
    protected Diagnosed<ServerConfig> diagnose(Map<String, String> environment) {
        return ServerConfig.diagnose(environment, null);
    }
}
