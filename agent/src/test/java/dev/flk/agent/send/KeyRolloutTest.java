// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.ScriptedBackend.Said;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tests of an agent that has a new key before all backends behind its one address have it. */
class KeyRolloutTest extends SendingTest {
    private static final Said REFUSED = Said.error(401, "Signature verification failed");

    private final List<Instance> instances = new ArrayList<>(List.of(new Instance(0), new Instance(1)));
    private boolean hasHeaders = true;
    private Said refusal = REFUSED;

    /** A backend behind the balancer. */
    private static final class Instance {
        private final int number;
        private int state;
        private volatile boolean hasKey = true;

        Instance(int number) {
            this.number = number;
        }

        void hasKey(boolean hasIt) {
            hasKey = hasIt;
            state++;
        }

        BackendKeys keys() {
            return new BackendKeys("%016x".formatted(number), "%016x".formatted(state));
        }
    }

    /** The way in which the balancer chooses a backend for each request. */
    private enum Balancer {
        ROUND_ROBIN {
            @Override
            IntUnaryOperator choice() {
                return request -> request % 2;
            }
        },
        RANDOM {
            @Override
            IntUnaryOperator choice() {
                Random random = new Random(1);
                return request -> random.nextInt(2);
            }
        },
        /** Several requests in a row reach the same backend, as if on one connection. */
        IN_RUNS {
            @Override
            IntUnaryOperator choice() {
                return request -> request / 12 % 2;
            }
        };

        abstract IntUnaryOperator choice();
    }

    private SendingRig behind(Balancer balancer, int batchSize) throws IOException {
        SendingRig rig = rig(SendingRig.batches(batchSize));
        rig.backend.keys = null;
        IntUnaryOperator choice = balancer.choice();
        int[] requests = {0};
        rig.backend.submit = certificate -> answer(next(choice, requests), certificate);
        rig.backend.batch = lines -> {
            Instance instance = next(choice, requests);
            return named(instance, rig.backend.eachLine(lines, certificate -> answer(instance, certificate)));
        };
        return rig;
    }

    private Instance next(IntUnaryOperator choice, int[] requests) {
        synchronized (requests) {
            return instances.get(choice.applyAsInt(requests[0]++));
        }
    }

    private Said named(Instance instance, Said said) {
        return hasHeaders ? said.by(instance.keys()) : said;
    }

    private Said answer(Instance instance, String certificate) {
        return named(instance, instance.hasKey ? Said.recorded(certificate) : refusal);
    }

    private void add(SendingRig rig, int first, int count) throws IOException {
        for (int i = first; i < first + count; i++) {
            rig.add(certificate(i));
        }
    }

    private static Duration elapsed(SendingRig rig) {
        return Duration.ofNanos(rig.nanos.get());
    }

    @ParameterizedTest
    @EnumSource
    void oneBackendLags_goodCertificatesFlow_andNoneIsGivenUp(Balancer balancer) throws Exception {
        instances.get(1).hasKey(false);
        SendingRig rig = behind(balancer, 20);
        add(rig, 0, 1_000);

        rig.until(() -> rig.outbox.pendingEntries() <= 50);

        assertThat(elapsed(rig)).isLessThan(Duration.ofSeconds(balancer == Balancer.IN_RUNS ? 120 : 20));
        rig.untilEmpty();

        rig.assertNoDeadLetters();
        assertThat(rig.sending().heldSignatures()).isZero();
        assertThat(rig.backend.received.size()).as("requests").isLessThan(2_000);
    }

    @ParameterizedTest
    @EnumSource
    void oneBackendLags_withoutHeaders_goodCertificatesFlow_andNoneIsGivenUp(Balancer balancer) throws Exception {
        hasHeaders = false;
        oneBackendLags_goodCertificatesFlow_andNoneIsGivenUp(balancer);
    }

    @ParameterizedTest
    @EnumSource
    void oneBackendLags_andSaysSo_goodCertificatesFlow_andNoneIsGivenUp(Balancer balancer) throws Exception {
        refusal = Said.error(503, SubmitResult.KEYS_OUTDATED).with("Retry-After", "2");
        oneBackendLags_goodCertificatesFlow_andNoneIsGivenUp(balancer);
    }
}
