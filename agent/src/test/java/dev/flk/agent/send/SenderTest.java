// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.agent.send.Certificates.certificate;
import static dev.flk.agent.send.Certificates.id;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.send.ScriptedBackend.Said;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.signing.SignatureCheck;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SenderTest extends SendingTest {
    private static final Said BAD_SIGNATURE = Said.error(401, "Signature verification failed");

    @Test
    void send_validCertificate_isSignedStampedAndSettled() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.add(certificate(1));

        rig.untilEmpty();

        String sent = rig.backend.received.get(0);
        ParsedCertificate parsed = CertificateReader.parse(sent.getBytes(StandardCharsets.UTF_8));
        assertThat(SignatureCheck.hmac(List.of("secret")).verify(parsed.signed().canonicalForm(), parsed.sig()))
                .isPresent();
        assertThat(parsed.check(rig.start, Duration.ofMinutes(5)).attempt()).isEqualTo(1);
        assertThat(sent).contains("\"outbox_seq\":1,\"clock_skew_ms\":0");
        assertThat(rig.backend.paths).as("the clock first").containsExactly("/health", "/v1/pcs/submit");
    }

    @ParameterizedTest
    @ValueSource(longs = {-3600, 3600})
    void send_ownClockWrong_sendsTheBackendsTime(long wrongBySeconds) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.clockError = Duration.ofSeconds(wrongBySeconds);
        rig.add(certificate(1));

        rig.untilEmpty();

        ParsedCertificate sent =
                CertificateReader.parse(rig.backend.received.get(0).getBytes(StandardCharsets.UTF_8));
        assertThat(Duration.between(rig.start, sent.checkIgnoringClock().sentAt())
                        .abs())
                .isLessThan(Duration.ofMinutes(10));
    }

    @ParameterizedTest
    @CsvSource({"400, bad epoch", "413, body too long"})
    void answer_permanentRefusal_deadLettersAtOnce(int status, String error) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = c -> Said.error(status, error);
        rig.add(certificate(1));

        rig.untilEmpty();

        assertThat(rig.backend.received).hasSize(1);
        assertThat(rig.deadLetterLines())
                .singleElement()
                .asString()
                .contains("\"outbox_seq\":1", id(1), "\"status\":" + status, error);
    }

    /** Checks an entry of an older version, or of an agent with a larger heap. */
    @Test
    void entry_longerThanTheHeapAllows_isADeadLetterAndTheNextIsSent() throws Exception {
        SendingRig rig = rig(SendingRig.batches(100));
        rig.add(("{\"" + "x".repeat(CertificateLimit.BYTES) + "\":0}").getBytes(StandardCharsets.US_ASCII));
        rig.add(certificate(1));

        rig.untilEmpty();

        assertThat(rig.backend.received).singleElement().asString().contains(id(1));
        assertThat(rig.deadLetterLines())
                .singleElement()
                .asString()
                .contains(
                        "\"outbox_seq\":1,", "has " + (CertificateLimit.BYTES + 6) + " bytes", "xxx\":0},\"crc32c\":");
    }

    @Test
    void deadLetter_cannotBeWritten_entryStaysPending() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = c -> Said.error(400, "bad epoch");
        Path letters = directory.resolve("dlq.jsonl");
        Files.delete(letters);
        Files.createDirectory(letters);
        rig.add(certificate(1));

        rig.until(() -> rig.backend.received.size() == 3);
        assertThat(rig.outbox.pendingEntries()).isEqualTo(1);

        Files.delete(letters);
        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains("\"outbox_seq\":1", "bad epoch");
    }

    @Test
    void answer_conflict_deadLetters() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = c -> Said.recorded(c).with("X-Flk-Conflict", "true");
        rig.add(certificate(1));

        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains("conflict");
    }

    @Test
    void answer_timestampInFuture_measuresTheClockAndRetries() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = ScriptedBackend.first(Said.error(400, "timestamp in future: sent_at=a, now=b, ahead=c"));
        rig.add(certificate(1));

        rig.untilEmpty();

        assertThat(rig.backend.paths).containsExactly("/health", "/v1/pcs/submit", "/health", "/v1/pcs/submit");
        assertThat(rig.backend.received.get(1)).contains("\"attempt\":2");
        rig.assertNoDeadLetters();
    }

    @ParameterizedTest
    @CsvSource({"408, slow body", "429, Too many requests", "500, log append failed", "503, dedup store unavailable"})
    void answer_temporary_retriesNotBeforeRetryAfter(int status, String error) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = ScriptedBackend.first(Said.error(status, error).with("Retry-After", "30"));
        rig.add(certificate(1));

        rig.untilEmpty();

        assertThat(rig.nanos.get())
                .isGreaterThanOrEqualTo(Duration.ofSeconds(30).toNanos());
        assertThat(rig.backend.received).hasSize(2);
        rig.assertNoDeadLetters();
    }

    @Test
    void answer_503_delaysOtherEntriesToo() throws Exception {
        SendingRig rig = rig(SendingRig.batches(1));
        rig.backend.submit = ScriptedBackend.first(Said.error(503, "starting").with("Retry-After", "30"));
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);
        rig.add(certificate(2));

        rig.until(() -> rig.backend.received.size() == 2);
        assertThat(rig.nanos.get())
                .isGreaterThanOrEqualTo(Duration.ofSeconds(30).toNanos());
        rig.untilEmpty();
    }

    @Test
    void answer_temporary_deadLettersAfterMaxAttempts() throws Exception {
        SendOptions thrice = SendingRig.options(3, 8, 1);
        SendingRig rig = rig(thrice);
        rig.backend.submit = c -> Said.error(500, "log append failed");
        rig.add(certificate(1));

        rig.untilEmpty();

        assertThat(rig.backend.received).hasSize(3);
        assertThat(rig.deadLetterLines())
                .singleElement()
                .asString()
                .contains("gave up after 3 attempts: log append failed", "\"attempts\":3");
    }

    @Test
    void answer_401WhileOthersOfTheShardAreAccepted_deadLetters() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = c -> ScriptedBackend.id(c).equals(id(1)) ? BAD_SIGNATURE : Said.recorded(c);
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 1 && rig.sender.inFlight() == 0);
        rig.add(certificate(2));

        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains(id(1), "\"status\":401");
    }

    /**
     * Checks that a probe of a held shard becomes a dead letter if it is refused permanently, and that no other
     * certificate does.
     */
    @ParameterizedTest
    @CsvSource({"400, schema not understood", "413, body too long"})
    void answer_permanentRefusalOfTheProbe_deadLettersOnlyTheProbe(int status, String error) throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        AtomicInteger answers = new AtomicInteger();
        rig.backend.submit = c -> answers.getAndIncrement() == 0
                ? BAD_SIGNATURE
                : ScriptedBackend.id(c).equals(id(1)) ? Said.error(status, error) : Said.recorded(c);
        rig.add(certificate(1));
        rig.until(() -> rig.backend.received.size() == 2 && rig.outbox.pendingEntries() == 0);
        rig.add(certificate(2), certificate(3));

        rig.untilEmpty();

        assertThat(rig.deadLetterLines()).singleElement().asString().contains(id(1), "\"status\":" + status);
    }

    @Test
    void batch_mixedAnswers_settleEachLine() throws Exception {
        SendingRig rig = rig(SendingRig.batches(10));
        rig.backend.submit = c -> ScriptedBackend.id(c).equals(id(2))
                ? Said.error(400, "bad epoch")
                : ScriptedBackend.id(c).equals(id(3)) && c.contains("\"attempt\":1,")
                        ? Said.error(429, "Too many requests").with("Retry-After", "2")
                        : Said.recorded(c);
        rig.add(certificate(1), certificate(2), certificate(3));

        rig.untilEmpty();

        assertThat(rig.backend.paths).containsExactly("/health", "/v1/pcs/batch", "/v1/pcs/submit");
        assertThat(rig.deadLetterLines()).singleElement().asString().contains(id(2));
    }

    @Test
    void batch_refusedAsTooLarge_isSentSingly() throws Exception {
        SendingRig rig = rig(SendingRig.batches(10));
        rig.backend.batch = lines -> Said.error(413, "batch too long");
        rig.add(certificate(1), certificate(2), certificate(3));

        rig.untilEmpty();

        assertThat(rig.backend.received).hasSize(4);
        rig.assertNoDeadLetters();
    }

    @Test
    void batch_manyCertificates_keepTheInFlightLimit() throws Exception {
        SendOptions options = SendingRig.options(0, 7, 3);
        SendingRig rig = rig(options);
        for (int i = 0; i < 50; i++) {
            rig.add(certificate(i));
        }

        rig.until(() -> {
            assertThat(rig.sender.inFlight()).isLessThanOrEqualTo(7);
            return rig.outbox.pendingEntries() == 0;
        });

        assertThat(rig.backend.received.stream().flatMap(String::lines).map(ScriptedBackend::id))
                .hasSize(50)
                .doesNotHaveDuplicates();
    }
}
