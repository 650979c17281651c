// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class ConfigForDiagnosisTest {
    @Test
    void secrets_areKnownAndNotShown() {
        ConfigForDiagnosis known = ConfigForDiagnosis.read(
                Map.of(
                        "ENDPOINT", "http://localhost:8080",
                        "PCS_SIGN_ALG", "hmac",
                        "PCS_HMAC_KEY", "the key",
                        "PCS_ED25519_PRIV_B64", "the seed",
                        "TLS_KEY",
                                "-----BEGIN PRIVATE KEY-----\nfirst-line\nsecond-line\n==\n-----END PRIVATE KEY-----\n"),
                null);

        assertThat(known.secrets()).containsExactlyInAnyOrder("the key", "the seed", "first-line", "second-line");
        assertThat(known.text())
                .contains("ENDPOINT               http://localhost:8080\n", "PCS_HMAC_KEY           set\n")
                .contains("SHARD_ID               not set\n", "TLS_KEY                set\n")
                .doesNotContain(known.secrets());
    }

    @Test
    void mistakes_areTold_andTheRestIsStillThere() {
        ConfigForDiagnosis known = ConfigForDiagnosis.read(
                Map.of("ENDPOINT", "http://ann:pw-1@localhost", "PCS_SIGN_ALG", "hmac", "MAX_AGE", "soon"), null);

        assertThat(known.config()).isEmpty();
        assertThat(known.secrets()).containsExactly("pw-1");
        assertThat(known.text())
                .contains("ENDPOINT               http://ann:***@localhost\n", "\nPROBLEM MAX_AGE is \"soon\"")
                .doesNotContain("pw-1");
    }
}
