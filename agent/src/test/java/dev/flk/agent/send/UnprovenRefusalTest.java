// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.agent.send.Certificates.certificate;
import static dev.flk.agent.send.Certificates.id;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.ScriptedBackend.Said;
import dev.flk.agent.send.SenderConfig.SendOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of refusals that are not provably the backend's: they hold one certificate, and never end it at once. */
class UnprovenRefusalTest extends SendingTest {
    private static final String HTML = "<html>Bad Request</html>";
    private static final String MALFORMED = "{\"error\":\"malformed JSON: ends too early\"}";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "400 | {\"error\":\"malformed HTTP request\"}",
                "400 | {\"error\":{\"code\":7}}",
                "400 | <html>Bad Request</html>",
                "403 | <html>Forbidden</html>",
                "413 | {\"error\":\"too large\"}",
                "413 | <html>Request Entity Too Large</html>",
                "422 | {}",
            })
    void refusedWithoutTheMark_isHeldAndDeliveredLater(int status, String body) throws Exception {
        for (SendOptions options : List.of(SendingRig.singles(), SendingRig.batches(10))) {
            SendingRig rig = rig(options, 1, "held-" + options.batchSize());
            rig.backend.marks = false;
            AtomicInteger answers = new AtomicInteger();
            rig.backend.submit = c -> answers.incrementAndGet() <= 30 ? Said.of(status, body) : Said.recorded(c);
            rig.backend.batch = c -> Said.of(status, body);
            rig.add(certificate(1), certificate(2), certificate(3));

            rig.until(() -> answers.get() == 20);
            assertThat(rig.sender.breakerOpen()).isFalse();
            assertThat(rig.sender.heldCertificates()).isEqualTo(3);
            rig.untilEmpty();

            rig.assertNoDeadLetters();
            rig.step();
            assertThat(rig.sender.heldCertificates()).isZero();
        }
    }

    /**
     * Checks that neither a line nor a batch that is refused because of one certificate delays the other certificates:
     * all of them are sent before the simulated time advances.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void oneOf10000RefusedWithoutTheMark_delaysNoOther(boolean refusesWholeBatches) throws Exception {
        SendingRig rig = rig(SendingRig.batches(100));
        rig.backend.marks = false;
        AtomicLong lastRecordedNanos = new AtomicLong();
        rig.backend.submit = c -> {
            if (c.contains(id(4_321))) {
                return Said.of(400, MALFORMED);
            }
            lastRecordedNanos.set(rig.nanos.get());
            return Said.recorded(c);
        };
        if (refusesWholeBatches) {
            rig.backend.batch = lines -> lines.contains(id(4_321)) ? Said.of(413, HTML) : rig.backend.eachLine(lines);
        }
        List<byte[]> all = new ArrayList<>();
        for (int epoch = 1; epoch <= 10_000; epoch++) {
            all.add(certificate(epoch));
        }
        rig.add(all.toArray(byte[][]::new));

        rig.untilPending(1);

        assertThat(lastRecordedNanos.get()).isLessThan(Duration.ofMillis(100).toNanos());
        assertThat(rig.sender.breakerOpen()).isFalse();
        assertThat(rig.sender.heldCertificates()).isOne();
        rig.backend.submit = Said::recorded;
        rig.untilEmpty();
        rig.assertNoDeadLetters();
    }

    /** Checks an answer that one certificate gets of a proxy, although it usually concerns every certificate. */
    @ParameterizedTest
    @ValueSource(ints = {401, 404, 405, 407, 415})
    void oneRefusedByAForeignAnswer_isHeldAlone(int status) throws Exception {
        for (SendOptions options : List.of(SendingRig.singles(), SendingRig.batches(10))) {
            SendingRig rig = rig(options, 1, "foreign-" + options.batchSize());
            AtomicLong lastRecordedNanos = new AtomicLong();
            AtomicBoolean refuses = new AtomicBoolean(true);
            rig.backend.submit = c -> {
                if (refuses.get() && c.contains(id(43))) {
                    return Said.of(status, HTML);
                }
                lastRecordedNanos.set(rig.nanos.get());
                return Said.recorded(c);
            };
            rig.backend.batch = lines ->
                    refuses.get() && lines.contains(id(43)) ? Said.of(status, HTML) : rig.backend.eachLine(lines);
            for (int epoch = 1; epoch <= 100; epoch++) {
                rig.add(certificate(epoch));
            }

            rig.untilPending(1);
            int answers = rig.backend.received.size();
            rig.until(() -> rig.backend.received.size() >= answers + 10);

            assertThat(lastRecordedNanos.get())
                    .isLessThan(Duration.ofMillis(100).toNanos());
            assertThat(rig.sender.breakerOpen()).isFalse();
            assertThat(rig.sender.heldCertificates()).isOne();
            refuses.set(false);
            rig.untilEmpty();
            rig.assertNoDeadLetters();
        }
    }

    /** Checks that an answer which every certificate gets is an outage, so that the next backend is tried. */
    @ParameterizedTest
    @ValueSource(ints = {401, 404, 405, 407, 415})
    void allRefusedByForeignAnswers_isAnOutage(int status) throws Exception {
        for (SendOptions options : List.of(SendingRig.singles(), SendingRig.batches(10))) {
            SendingRig rig = rig(options, 1, "wrong-path-" + options.batchSize());
            AtomicBoolean refuses = new AtomicBoolean();
            rig.backend.submit = c -> refuses.get() ? Said.of(status, HTML) : Said.recorded(c);
            rig.backend.batch = lines -> refuses.get() ? Said.of(status, HTML) : rig.backend.eachLine(lines);
            rig.add(certificate(1), certificate(2));
            rig.untilEmpty();

            refuses.set(true);
            for (int epoch = 3; epoch <= 40; epoch++) {
                rig.add(certificate(epoch));
            }
            rig.until(() -> rig.sender.breakerOpen());

            assertThat(rig.sender.heldCertificates()).isLessThanOrEqualTo(1);
            refuses.set(false);
            rig.untilEmpty();
            rig.assertNoDeadLetters();
        }
    }

    @Test
    void heldLongerThanMaxAge_becomesADeadLetterWithItsHistory() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.marks = false;
        rig.backend.submit = c -> Said.of(400, MALFORMED);
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 5 && rig.sender.inFlight() == 0);

        rig.nanos.addAndGet(Duration.ofDays(14).toNanos());
        rig.untilEmpty();

        assertThat(rig.deadLetterLines())
                .singleElement()
                .asString()
                .contains(
                        "older than MAX_AGE: held since " + rig.start.toString().substring(0, 10),
                        "sent 5 times",
                        "status 400 without the backend's mark: malformed JSON: ends too early");
    }

    @Test
    void heldUntilJustBeforeMaxAge_isStillSent() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.marks = false;
        rig.backend.submit = ScriptedBackend.first(Said.of(400, MALFORMED));
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);

        rig.nanos.addAndGet(Duration.ofDays(12).toNanos());
        rig.untilEmpty();

        rig.assertNoDeadLetters();
    }

    /** Checks that a 401 without the mark ends no certificate, although others of its shard are accepted. */
    @Test
    void unmarked401WhileOthersOfTheShardAreAccepted_isHeld() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.marks = false;
        AtomicInteger refusals = new AtomicInteger();
        rig.backend.submit = c -> c.contains(id(1)) && refusals.incrementAndGet() <= 4
                ? Said.error(401, "Signature verification failed")
                : Said.recorded(c);
        rig.add(certificate(1));
        for (int epoch = 2; epoch < 20; epoch++) {
            int answers = rig.backend.received.size();
            rig.add(certificate(epoch));
            rig.until(() -> rig.backend.received.size() > answers && rig.sender.inFlight() == 0);
        }

        rig.untilEmpty();

        assertThat(refusals.get()).isGreaterThan(4);
        rig.assertNoDeadLetters();
    }

    /** Checks that a proxy that refuses everything is asked about twice a second, not as fast as it answers. */
    @Test
    void proxyThatRefusesEverything_isNotFlooded_andAllIsDeliveredAfterwards() throws Exception {
        SendingRig rig = rig(SendingRig.batches(100));
        rig.backend.marks = false;
        rig.backend.submit = c -> Said.of(400, HTML);
        rig.backend.batch = c -> Said.of(400, HTML);
        for (int epoch = 1; epoch <= 1_000; epoch++) {
            rig.add(certificate(epoch));
        }
        rig.until(() -> rig.nanos.get() > Duration.ofMinutes(10).toNanos());
        assertThat(rig.backend.received).hasSizeBetween(600, 2_400);

        rig.backend.submit = Said::recorded;
        rig.backend.batch = rig.backend::eachLine;
        rig.untilEmpty();

        assertThat(rig.nanos.get()).isLessThan(Duration.ofMinutes(12).toNanos());
        rig.assertNoDeadLetters();
    }

    /** Checks that a batch that does not arrive as it was sent is split, and only one of its certificates waits. */
    @Test
    void batchChangedOnTheWay_isSplit() throws Exception {
        SendingRig rig = rig(SendingRig.batches(8));
        Said changed = Said.error(408, "the body does not have the digest in Content-Digest")
                .with("Retry-After", "1");
        rig.backend.submit = c -> c.contains(id(3)) ? changed : Said.recorded(c);
        rig.backend.batch = lines -> lines.contains(id(3)) ? changed : rig.backend.eachLine(lines);
        for (int epoch = 1; epoch <= 8; epoch++) {
            rig.add(certificate(epoch));
        }

        rig.untilPending(1);

        assertThat(rig.sender.breakerOpen()).isFalse();
        rig.backend.submit = Said::recorded;
        rig.backend.batch = rig.backend::eachLine;
        rig.untilEmpty();
        rig.assertNoDeadLetters();
    }

    @Test
    void healthAsksToWait_itIsNotAskedAgainBefore() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.health = Said.of(503, "<html>busy</html>").with("Retry-After", "300");
        rig.add(certificate(1));
        rig.until(() -> rig.backend.paths.size() == 1 && !rig.sender.awaitsAnswer());
        rig.backend.health = Said.of(200, "OK");

        rig.untilEmpty();

        assertThat(rig.nanos.get()).isGreaterThanOrEqualTo(Duration.ofMinutes(5).toNanos());
    }
}
