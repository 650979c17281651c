// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.program.config.Secret;
import dev.flk.signing.Ed25519Signer;
import dev.flk.verification.Policy;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests which path the certificates of a warm-up take. */
final class WarmUpTest {
    private static final DecisionRules RULES = new DecisionRules(Policy.defaults(), Duration.ofDays(14));

    @RegisterExtension
    final ServerFixture backend = new ServerFixture();

    static Stream<SigningConfig> keys() {
        String key = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]).publicKeyBase64();
        return Stream.of(
                new SigningConfig.Hmac(List.of(new Secret("of the backend"))), new SigningConfig.Ed25519(List.of(key)));
    }

    /** Checks that the certificates are decided, and that none comes near the ingest or the metrics of the backend. */
    @ParameterizedTest
    @MethodSource("keys")
    void certificates_areAcceptedAndRejected_butNotByTheBackend(SigningConfig signing) {
        Set<Integer> answered = new HashSet<>();
        await().until(() -> {
            WarmUp warmUp = WarmUp.begin(backend.parts(), RULES, signing).orElseThrow();
            warmUp.await(); // ends after a time, in which a busy machine may answer a few certificates only
            answered.addAll(warmUp.answered().keySet());
            return answered.size() >= 2;
        });

        assertThat(answered).containsExactlyInAnyOrder(200, 202);
        assertThat(backend.ingest.turns).isEmpty();
        assertThat(backend.metrics.read().sum("flk_submit_seconds_count")).isZero();
    }
}
