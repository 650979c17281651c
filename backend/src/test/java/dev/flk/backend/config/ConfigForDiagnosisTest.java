// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class ConfigForDiagnosisTest {
    @Test
    void secrets_areKnownAndNotShown() {
        ConfigForDiagnosis known = ConfigForDiagnosis.read(
                Map.of(
                        "PCS_SIGN_ALG", "hmac",
                        "PCS_HMAC_KEYS", "key-1,key-2",
                        "METRICS_USER", "ann",
                        "METRICS_PASS", "pw-1",
                        "REDIS_URI", "rediss://:pw%2D2@h:6379",
                        "POSTGRES_CONN", "postgresql://bob:pw-3@h/d?sslpassword=pw-4"),
                null);

        assertThat(known.secrets())
                .containsExactlyInAnyOrder(
                        "key-1,key-2", "key-1", "key-2", "pw-1", "YW5uOnB3LTE=", "pw%2D2", "pw-2", "pw-3", "pw-4");
        assertThat(known.config()).isPresent();
        assertThat(known.text())
                .contains("PCS_HMAC_KEYS        set (environment)\n", "PCS_HMAC_KEY         not set\n")
                .contains("REDIS_URI            rediss://:***@h:6379 (environment)\n")
                .contains("POSTGRES_CONN        postgresql://bob:***@h/d?sslpassword=*** (environment)\n")
                .doesNotContain(known.secrets());
    }

    @Test
    void mistakes_areTold_andTheRestIsStillThere() {
        ConfigForDiagnosis known =
                ConfigForDiagnosis.read(Map.of("PCS_HMAC_KEY", "key-1", "PORT", "eighty", "TOL_D", "0.2"), null);

        assertThat(known.config()).isEmpty();
        assertThat(known.text())
                .contains("TOL_D                0.2 (environment)\n", "PROBLEM PORT: 'eighty' is no whole number")
                .doesNotContain("key-1");
    }
}
