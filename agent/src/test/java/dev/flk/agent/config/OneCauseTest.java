// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A setting that can't be read, or is malformed, is one problem: what follows from it is none. */
class OneCauseTest {
    private static final String NOWHERE = "/no/such/file";

    /** But for the key of the other algorithm, which nobody reads, and what is a mistake alone also where it can be read. */
    @SuppressWarnings("UnusedMethod")
    private static List<Key<?>> keys() {
        return AgentKeys.ALL.stream()
                .filter(key ->
                        !Set.of("PCS_ED25519_PRIV_B64", "TLS_CERT", "TLS_KEY").contains(key.name()))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("keys")
    void load_fileOfASettingIsMissing_isTheOnlyProblem(Key<?> setting) {
        Map<String, String> environment = good();
        environment.remove(setting.name());
        environment.put(setting + "_FILE", NOWHERE);

        assertOnlyProblem(environment, setting + "_FILE: " + NOWHERE + " can't be read: there is no such file");
    }

    @ParameterizedTest
    @CsvSource({
        "PCS_ED25519_PRIV_B64_FILE, PCS_SIGN_ALG=ed25519",
        "TLS_CERT_FILE, TLS_KEY=given",
        "TLS_KEY_FILE, TLS_CERT=given",
        "BASE_DELAY_FILE, MAX_DELAY=500ms",
        "MAX_DELAY_FILE, BASE_DELAY=2m",
    })
    void load_fileIsMissing_andWhatGoesWithItIsSet_isTheOnlyProblem(String missing, String other) {
        Map<String, String> environment = good();
        environment.put(missing, NOWHERE);
        environment.put(other.substring(0, other.indexOf('=')), other.substring(other.indexOf('=') + 1));

        assertOnlyProblem(environment, missing + ": " + NOWHERE + " can't be read: there is no such file");
    }

    @ParameterizedTest
    @CsvSource({"BASE_DELAY=soon, MAX_DELAY=500ms", "MAX_DELAY=late, BASE_DELAY=2m"})
    void load_malformedValue_isNotHeldAgainstAnother(String malformed, String other) {
        Map<String, String> environment = good();
        for (String setting : new String[] {malformed, other}) {
            environment.put(setting.substring(0, setting.indexOf('=')), setting.substring(setting.indexOf('=') + 1));
        }

        assertOnlyProblem(environment, malformed.substring(0, malformed.indexOf('=')) + ": '");
    }

    private static Map<String, String> good() {
        return new HashMap<>(
                Map.of("ENDPOINT", "http://localhost:8080", "PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", "secret"));
    }

    private static void assertOnlyProblem(Map<String, String> environment, String beginning) {
        assertThat(catchThrowableOfType(
                                InvalidConfig.class,
                                () -> AgentConfig.load(environment, null, Set.of(Need.ENDPOINT, Need.SIGNING)))
                        .problems())
                .singleElement()
                .asString()
                .startsWith(beginning);
    }
}
