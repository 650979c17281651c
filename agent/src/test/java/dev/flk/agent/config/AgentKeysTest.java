// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.Key;
import dev.flk.program.config.KeysContract;
import dev.flk.testkit.TestAuthority;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;

class AgentKeysTest extends KeysContract<AgentConfig> {
    private static final String TABLE = """
            ENDPOINT | sending.endpoints | [http://localhost:8080] | ENDPOINT=https://example.org/flk | [https://example.org/flk] | \
            localhost:8080;ftp://host;http://;http://host/?q=1;http://host:99999;http://h,http://h;\
            http://user:{secret}@host:99999;http://user:{secret}@;ftp://user:{secret}@host;http://us er:{secret}@host;\
            http://user:pass@{secret}@host:0;http://user:{secret}@host
            TLS_CA | sending.tls.getClass.getSimpleName | - | TLS_CA={cert} | ClientTls | {secret}
            TLS_CERT | sending.tls.getClass.getSimpleName | - | {tls} | ClientTls | {secret};{empty}
            TLS_KEY | sending.tls.getClass.getSimpleName | - | {tls} | ClientTls | {secret};{empty}
            PCS_SIGN_ALG | signing.signer.getClass.getSimpleName | - | {hmac} | HmacSigner | sha1
            PCS_HMAC_KEY | signing.signer.getClass.getSimpleName | - | {hmac} | HmacSigner | {empty}
            PCS_ED25519_PRIV_B64 | signing.signer.getClass.getSimpleName | - | PCS_SIGN_ALG=ed25519;PCS_ED25519_PRIV_B64={seed} | \
            Ed25519Signer | {secret};AAAA;{empty}
            SHARD_ID | shardId | - | SHARD_ID=a shard | a shard |
            OUTBOX_PATH | outbox.directory | data/outbox.wal | OUTBOX_PATH=o | o | a\0b
            OUTBOX_MAX_BYTES | outbox.maxBytes | 1073741824 | OUTBOX_MAX_BYTES=5MiB | 5242880 | 0;99999999999TiB;1GB
            OUTBOX_MIN_FREE_BYTES | outbox.minFreeBytes | 67108864 | OUTBOX_MIN_FREE_BYTES=7KiB | 7168 | lots
            DLQ_PATH | deadLetters | data/dlq.jsonl | DLQ_PATH=d | d | data/outbox.wal;data/outbox.wal/d;data/x/../outbox.wal/x/d
            SPOOL_DIR | spoolDirectory | - | SPOOL_DIR=s | s | data/x/../outbox.wal;./data/dlq.jsonl
            SOURCES_FILE | sourcesFile | - | SOURCES_FILE=s.yaml | s.yaml |
            CONTROL_SOCKET | local.control | data/outbox.wal/control.sock | CONTROL_SOCKET=c | c | data/dlq.jsonl
            INTAKE_SOCKET | local.intake | - | INTAKE_SOCKET=i | i | data/outbox.wal/control.sock
            INTAKE_PORT | local.intakePort | - | INTAKE_PORT=9101 | 9101 | 65536;x
            BASE_DELAY | sending.options.baseDelay | PT1S | BASE_DELAY=250ms | PT0.25S | soon;0;2m
            MAX_DELAY | sending.options.maxDelay | PT1M | MAX_DELAY=5m | PT5M | soon;10ms
            MAX_ATTEMPTS | sending.options.maxAttempts | 0 | MAX_ATTEMPTS=9 | 9 | -1;x
            MAX_AGE | sending.options.maxAge | PT312H | MAX_AGE=12h | PT12H | 0;1w;-1d;999999999d
            SIGNATURE_GRACE | sending.options.signatureGrace | PT24H | SIGNATURE_GRACE=0 | PT0S | -1d;soon
            REQUEST_TIMEOUT | sending.requestTimeout | PT10S | REQUEST_TIMEOUT=3s | PT3S | 0
            MAX_IN_FLIGHT | sending.options.maxInFlight | 256 | MAX_IN_FLIGHT=10 | 10 | 0;x
            BATCH_SIZE | sending.options.batchSize | 100 | BATCH_SIZE=11 | 11 | 0;1001
            HEARTBEAT | heartbeat.every | PT30S | HEARTBEAT=0 | PT0S | 999ms;25h;-1s;x
            AGENT_ID | heartbeat.agentId | - | AGENT_ID=pump 7 | pump 7 | a/b;␣
            METRICS_PORT | metricsPort | - | METRICS_PORT=9100 | 9100 | 65536;x
            LOG_LEVEL | log.level | INFO | LOG_LEVEL=debug | DEBUG | LOUD
            LOG_FORMAT | log.format | TEXT | LOG_FORMAT=json | JSON | yaml
            """;

    private String certificate = "";
    private String key = "";

    @BeforeAll
    void makeKeys() {
        TestAuthority.Issued keys = TestAuthority.named("authority").issue("client", "agent");
        certificate = keys.certificatePem();
        key = keys.keyPem();
    }

    @Override
    protected Map<String, String> minimum() {
        return Map.of("ENDPOINT", "http://localhost:8080", "PCS_SIGN_ALG", "none");
    }

    @Override
    protected String table() {
        return TABLE;
    }

    @Override
    protected String compared() {
        return """
                BASE_DELAY | MAX_DELAY=500ms
                MAX_DELAY | BASE_DELAY=2m
                """;
    }

    @Override
    protected Map<String, String> parts() {
        return Map.of(
                "{hmac}", "PCS_SIGN_ALG=hmac;PCS_HMAC_KEY=the-key",
                "{seed}", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                "{cert}", certificate,
                "{tls}", "TLS_CERT=" + certificate + ";TLS_KEY=" + key,
                "{empty}", "");
    }

    @Override
    protected List<Key<?>> keys() {
        return AgentConfig.KEYS;
    }

    @Override
    protected AgentConfig load(Map<String, String> environment, @Nullable Path file) {
        return AgentConfig.load(environment, file, EnumSet.allOf(Need.class));
    }

    @Override
    protected Diagnosed<AgentConfig> diagnose(Map<String, String> environment) {
        return AgentConfig.diagnose(environment, null);
    }
}
