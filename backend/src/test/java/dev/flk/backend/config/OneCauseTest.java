// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A value that can't be read, or is malformed, is one problem: what follows from it is none. */
class OneCauseTest {
    private static final String NOWHERE = "/no/such/file";

    static List<Key<?>> keysThatMayStandAlone() {
        Set<String> others = Set.of(
                "KEYS_FILE",
                "METRICS_USER",
                "METRICS_PASS",
                "STATE_TOKENS_FILE",
                "TLS_CERT",
                "TLS_KEY",
                "TLS_CLIENT_CA",
                "DEBUG");
        return BackendConfig.KEYS.stream()
                .filter(key -> !others.contains(key.name()))
                .toList();
    }

    /** But for what is a mistake, alone or here, also where it can be read; the settings of TLS name files anyway. */
    @ParameterizedTest
    @MethodSource("keysThatMayStandAlone")
    void load_fileOfAValueIsMissing_isTheOnlyProblem(Key<?> key) {
        Map<String, String> environment = new HashMap<>(Map.of("PCS_SIGN_ALG", "none"));
        environment.remove(key.name());
        environment.put(key.nameOfFile(), NOWHERE);

        assertOnlyProblem(environment, key.nameOfFile() + ": " + NOWHERE + " can't be read: there is no such file");
    }

    @ParameterizedTest
    @CsvSource({
        "PCS_HMAC_KEY_FILE, PCS_SIGN_ALG=hmac",
        "PCS_HMAC_KEYS_FILE, PCS_SIGN_ALG=hmac",
        "PCS_ED25519_PUB_B64_FILE, PCS_SIGN_ALG=ed25519",
        "KEYS_FILE_FILE, PCS_SIGN_ALG=",
        "METRICS_PASS_FILE, METRICS_USER=ann",
        "METRICS_USER_FILE, METRICS_PASS=secret",
        "REDIS_URI_FILE, DEDUP_BACKEND=redis",
        "REDIS_ADDR_FILE, DEDUP_BACKEND=redis",
        "POSTGRES_CONN_FILE, DEDUP_BACKEND=postgres",
        "DEDUP_TTL_FILE, WAL_RETENTION=7d",
        "WAL_RETENTION_FILE, DEDUP_TTL=30d",
    })
    void load_fileIsMissing_andWhatGoesWithItIsSet_isTheOnlyProblem(String missing, String other) {
        Map<String, String> environment = new HashMap<>(Map.of("PCS_SIGN_ALG", "none", missing, NOWHERE));
        set(environment, other);

        assertOnlyProblem(environment, missing + ": " + NOWHERE + " can't be read: there is no such file");
    }

    @ParameterizedTest
    @CsvSource({
        "DEDUP_TTL=long, WAL_RETENTION=7d",
        "WAL_RETENTION=long, DEDUP_TTL=30d",
    })
    void load_malformedValue_isNotHeldAgainstAnother(String malformed, String other) {
        Map<String, String> environment = new HashMap<>(Map.of("PCS_SIGN_ALG", "none"));
        set(environment, malformed);
        set(environment, other);

        assertOnlyProblem(environment, malformed.substring(0, malformed.indexOf('=')) + ": 'long' is ");
    }

    private static void set(Map<String, String> environment, String setting) {
        environment.put(setting.substring(0, setting.indexOf('=')), setting.substring(setting.indexOf('=') + 1));
    }

    private static void assertOnlyProblem(Map<String, String> environment, String beginning) {
        assertThat(catchThrowableOfType(InvalidConfig.class, () -> BackendConfig.load(environment, null))
                        .problems())
                .singleElement()
                .asString()
                .startsWith(beginning);
    }
}
