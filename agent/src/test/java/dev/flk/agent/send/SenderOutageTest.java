// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.ScriptedBackend.Said;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the sender while its backend is down, busy or another server, and while a clock or the disk is faulty. */
class SenderOutageTest extends SendingTest {
    @ParameterizedTest
    @CsvSource({
        "408, the body ended too early",
        "429, Too many requests",
        "503, starting",
        "503, dedup store unavailable",
        "400, timestamp in future: x"
    })
    void answer_notCausedByTheCertificate_countsNoAttempt(int status, String error) throws Exception {
        SendOptions once = SendingRig.options(1, 8, 1);
        SendingRig rig = rig(once);
        AtomicInteger answers = new AtomicInteger();
        rig.backend.submit = c -> answers.incrementAndGet() <= 5 ? Said.error(status, error) : Said.recorded(c);
        rig.add(certificate(1));

        rig.untilEmpty();

        rig.assertNoDeadLetters();
    }

    @Test
    void ownClock_setAfterAnUnansweredAttempt_addsNoAge() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.clockError = Duration.ofDays(-20_000);
        rig.backend.submit = ScriptedBackend.first(Said.nothing());
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);

        rig.clockError = Duration.ZERO;
        rig.untilEmpty();

        rig.assertNoDeadLetters();
        assertThat(rig.backend.paths).containsExactly("/health", "/v1/pcs/submit", "/health", "/v1/pcs/submit");
    }

    @Test
    void outbox_temporarilyUnreadable_isSentWhenReadableAgain() throws Exception {
        try (Outbox earlier =
                Outbox.open(new OutboxOptions(directory.resolve("outbox"), 64 << 20, 0), InstantSource.system())) {
            earlier.append(List.of(certificate(1), certificate(2)));
        }
        SendingRig rig = rig(SendingRig.batches(10));
        Path obstacle = directory.resolve("outbox/outbox-20990101-9000000000000000001.wal");
        Files.createSymbolicLink(obstacle, obstacle); // a link to itself, which cannot be read
        rig.until(() -> rig.nanos.get() > Duration.ofMinutes(5).toNanos());
        assertThat(rig.backend.received).isEmpty();

        Files.delete(obstacle);
        rig.untilEmpty();

        assertThat(rig.backend.received).hasSize(2);
    }

    @Test
    void stop_attemptInFlight_isRememberedAsUnanswered() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        try (SendingRig rig = new SendingRig(directory, SendingRig.batches(10))) {
            rig.backend.batch = lines -> {
                await(end);
                return Said.nothing();
            };
            rig.add(certificate(1), certificate(2));
            Awaitility.await().until(() -> {
                rig.sender.step();
                return !rig.backend.received.isEmpty();
            });

            rig.sender.stop();
            end.countDown();
        }

        assertThat(new OutboxInspector(directory.resolve("outbox"))
                        .summary()
                        .oldest()
                        .orElseThrow()
                        .unansweredSinceMillis())
                .isPositive();
    }

    @Test
    void answer_quotingALongCertificate_settlesTheCertificate() throws Exception {
        SendingRig rig = rig(SendingRig.options(1, 8, 1));
        String fallback = "é".repeat(70_000);
        String reason = "degraded: " + fallback.replace("é", "\\u00e9");
        rig.backend.submit = c -> Said.of(
                202,
                Said.recorded(c)
                        .body()
                        .replace("\"escalated\":false", "\"escalated\":true,\"reason\":\"" + reason + "\""));
        rig.add(new String(certificate(1), StandardCharsets.UTF_8)
                .replaceFirst("}$", ",\"ft\":{\"degraded\":true,\"fallbacks\":[\"" + fallback + "\"]}}")
                .getBytes(StandardCharsets.UTF_8));

        rig.until(() -> rig.outbox.pendingEntries() == 0);

        assertThat(rig.backend.received).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource({"200, <html>welcome</html>", "401, login", "0, ''"})
    void answer_notFromTheBackend_isAnOutageWithoutAnAttempt(int status, String body) throws Exception {
        SendOptions once = SendingRig.options(1, 8, 1);
        SendingRig rig = rig(once);
        AtomicInteger answers = new AtomicInteger();
        rig.backend.submit = c -> answers.incrementAndGet() <= 12 ? Said.of(status, body) : Said.recorded(c);
        rig.add(certificate(1), certificate(2));

        rig.until(rig.sender::breakerOpen);
        rig.untilEmpty();

        rig.assertNoDeadLetters();
        assertThat(rig.sender.breakerOpen()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"503, starting", "200, <html>welcome</html>"})
    void health_backendNotReady_sendsNothingUntilItIs(int status, String body) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.health = Said.of(status, body);
        rig.add(certificate(1));
        rig.until(rig.sender::breakerOpen);
        assertThat(rig.backend.received).isEmpty();
        rig.backend.health = Said.of(200, "OK");
        rig.untilEmpty();
        assertThat(rig.backend.received).hasSize(1);
        rig.assertNoDeadLetters();
    }

    @Test
    void outage_longerThanMaxAge_unansweredCertificateBecomesADeadLetter() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = ScriptedBackend.first(Said.nothing());
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);

        rig.nanos.addAndGet(Duration.ofDays(14).toNanos());
        rig.untilEmpty();

        assertThat(rig.backend.received).hasSize(1);
        assertThat(rig.deadLetterLines()).singleElement().asString().contains("older than MAX_AGE");
    }

    @ParameterizedTest
    @ValueSource(longs = {-20, 20})
    void date_wrongOnce_agesNoCertificateAndIsNotSent(long days) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        AtomicInteger answers = new AtomicInteger();
        rig.backend.submit = c -> switch (answers.incrementAndGet()) {
            case 1 -> Said.nothing();
            case 2 -> dated(Said.recorded(c), rig.start.plus(Duration.ofDays(days)));
            default -> Said.recorded(c);
        };
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);
        rig.add(certificate(2), certificate(3));

        rig.untilEmpty();

        rig.assertNoDeadLetters();
        assertThat(rig.backend.received)
                .hasSize(4)
                .allSatisfy(sent -> assertThat(hoursFrom(rig.start, sent)).isZero());
    }

    @ParameterizedTest
    @ValueSource(longs = {-20, 20})
    void date_wrongAtTheStart_agesNoCertificateAndIsNotSent(long days) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.health = dated(Said.of(200, "OK"), rig.start.plus(Duration.ofDays(days)));
        rig.backend.submit = ScriptedBackend.first(Said.nothing());
        rig.add(certificate(1));
        rig.until(() -> rig.backend.paths.size() == 1);
        rig.backend.health = Said.of(200, "OK");

        rig.untilEmpty();

        rig.assertNoDeadLetters();
        assertThat(rig.backend.received)
                .hasSize(2)
                .allSatisfy(sent -> assertThat(hoursFrom(rig.start, sent)).isZero());
    }

    @ParameterizedTest
    @ValueSource(longs = {-20, 20})
    void date_wrongForALongTime_agesNoCertificate(long days) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        Instant wrong = rig.start.plus(Duration.ofDays(days));
        AtomicInteger answers = new AtomicInteger();
        rig.backend.submit = c -> switch (answers.incrementAndGet()) {
            case 1, 11 -> Said.nothing();
            default -> answers.get() <= 20 ? dated(Said.recorded(c), wrong) : Said.recorded(c);
        };
        for (int i = 0; i < 40; i++) {
            rig.add(certificate(i));
        }

        rig.untilEmpty();

        rig.assertNoDeadLetters();
        assertThat(rig.backend.received).hasSize(42);
        assertThat(rig.backend.received)
                .anySatisfy(sent -> assertThat(hoursFrom(wrong, sent)).isZero());
        assertThat(hoursFrom(rig.start, rig.backend.received.get(41))).isZero();
    }

    @Test
    void restart_longerThanMaxAgeAfterTheAttempt_deadLetters() throws Exception {
        leaveOneUnanswered();
        SendingRig rig = rig(SendingRig.singles());
        rig.clockError = Duration.ofDays(20);
        rig.backend.health = dated(Said.of(200, "OK"), rig.start.plus(Duration.ofDays(20)));

        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains("older than MAX_AGE");
    }

    @ParameterizedTest
    @CsvSource({"P20D, PT-60S", "P20D, PT-1S", "PT-60S, P20D", "PT-2M, P20D", "P-20000D, P20D"})
    void restart_oneClockSetBack_otherClockAloneAgesNoCertificate(Duration own, Duration backend) throws Exception {
        leaveOneUnanswered();
        SendingRig rig = rig(SendingRig.singles());
        rig.clockError = own;
        rig.backend.health = dated(Said.of(200, "OK"), rig.start.plus(backend));

        rig.untilEmpty();

        rig.assertNoDeadLetters();
    }

    /** Simulates an agent whose clock was ahead during the sending, was corrected, and then did not run for 20 days. */
    @ParameterizedTest
    @ValueSource(longs = {1, 30, 20000})
    void restart_ownClockWasAheadDuringTheAttempt_deadLetters(long daysAhead) throws Exception {
        leaveOneUnanswered(Duration.ofDays(daysAhead));
        SendingRig rig = rig(SendingRig.singles());
        rig.clockError = Duration.ofDays(20);
        rig.backend.health = dated(Said.of(200, "OK"), rig.start.plus(Duration.ofDays(20)));

        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains("older than MAX_AGE");
    }

    /** Simulates an agent whose clock is corrected while it runs, and a machine that then sleeps for 40 days. */
    @Test
    void ownClock_wasAheadAndIsCorrected_laterSleepAgesTheCertificate() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.clockError = Duration.ofDays(30);
        rig.backend.submit = c -> Said.nothing();
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);
        rig.clockError = Duration.ZERO;
        rig.until(() -> rig.backend.received.size() == 2 && rig.sender.inFlight() == 0);

        rig.clockError = Duration.ofDays(40);
        rig.backend.clock = () -> rig.start.plusNanos(rig.nanos.get()).plus(rig.clockError);
        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains("older than MAX_AGE");
    }

    @Test
    void restart_ownClockSetAndAnswersWithoutDate_agesNoCertificate() throws Exception {
        leaveOneUnanswered();
        SendingRig rig = rig(SendingRig.singles());
        rig.clockError = Duration.ofDays(20);
        rig.backend.health = undated(Said.of(200, "OK"));
        rig.backend.submit = c -> undated(Said.recorded(c));

        rig.untilEmpty();

        rig.assertNoDeadLetters();
    }

    @Test
    void machine_suspendedLongerThanMaxAge_unansweredCertificateBecomesADeadLetter() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = ScriptedBackend.first(Said.nothing());
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);

        rig.clockError = Duration.ofDays(14);
        rig.backend.health = dated(Said.of(200, "OK"), rig.start.plus(Duration.ofDays(14)));
        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains("older than MAX_AGE");
    }

    /** Simulates clocks that are wrong together, because the agent and the backend share a machine or a time server. */
    @ParameterizedTest
    @ValueSource(longs = {5, 500})
    void bothClocks_brieflyAhead_ageNoCertificate(long seconds) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = c -> Said.nothing();
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);
        long end = rig.nanos.get() + Duration.ofSeconds(seconds).toNanos();

        rig.clockError = Duration.ofDays(20);
        rig.backend.clock = () -> rig.start.plusNanos(rig.nanos.get()).plus(rig.clockError);
        rig.add(certificate(2));
        rig.until(() -> rig.nanos.get() >= end);
        rig.clockError = Duration.ZERO;
        rig.backend.submit = Said::recorded;

        rig.untilEmpty();
        rig.assertNoDeadLetters();
        assertThat(rig.backend.received)
                .last()
                .satisfies(sent -> assertThat(hoursFrom(rig.start, sent)).isZero());
    }

    private void leaveOneUnanswered() throws Exception {
        leaveOneUnanswered(Duration.ZERO);
    }

    private void leaveOneUnanswered(Duration clockError) throws Exception {
        try (SendingRig rig = new SendingRig(directory, SendingRig.singles())) {
            rig.clockError = clockError;
            rig.backend.submit = c -> Said.nothing();
            rig.add(certificate(1));
            rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);
        }
    }

    private static Said dated(Said said, Instant date) {
        return said.with("Date", ScriptedBackend.date(date));
    }

    private static Said undated(Said said) {
        return said.with("Date", "none");
    }

    /** Returns the hours from an instant to the {@code sent_at} of a certificate. */
    private static long hoursFrom(Instant instant, String sent) {
        try {
            return Duration.between(
                            instant,
                            CertificateReader.parse(sent.getBytes(StandardCharsets.UTF_8))
                                    .checkIgnoringClock()
                                    .sentAt())
                    .toHours();
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void answersUnderWay_exceedTheirShareOfTheHeap_nextRequestWaits() throws Exception {
        SendingRig rig = rigWithAnswers(SendingRig.singles(), 1);
        for (int i = 0; i < 20; i++) {
            rig.add(certificate(i));
        }

        rig.until(() -> {
            assertThat(rig.sender.inFlight()).isLessThanOrEqualTo(1);
            return rig.outbox.pendingEntries() == 0;
        });
    }
}
