// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.ScriptedBackend.Said;
import dev.flk.program.logging.LogCapture;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests that the log stays short during any number of failures, and reports how many lines it omitted. */
class LogFloodTest {
    private static final int MANY = 2_000;
    private static final int REQUESTS = 30;

    @TempDir
    Path directory;

    static Stream<Arguments> floods() {
        return Stream.of(
                Arguments.of(
                        Said.error(401, "Signature verification failed"),
                        "ERROR Signature verification failed for [0-9a-f]{64}: perhaps the backend does not know"
                                + " this key.*"),
                Arguments.of(
                        Said.error(503, "overloaded\\n2026 ERROR forged\\u0085\\u2028"),
                        "WARN Backing off for [0-9]+\\.[0-9]s before retry \\(status 503: overloaded\\?2026 ERROR forged\\?\\?.*\\)"),
                Arguments.of(
                        Said.of(200, "<html>\nwelcome\n</html>"),
                        "WARN Backing off for [0-9]+\\.[0-9]s before retry \\(status 200 without .*\\)"),
                Arguments.of(
                        Said.error(400, "timestamp in future: sent_at=a, now=b, ahead=c"),
                        "WARN Backing off for [0-9]+\\.[0-9]s before retry \\(status 400: timestamp in future: .*\\)"));
    }

    @ParameterizedTest
    @MethodSource("floods")
    void everythingRefused_logsFiveLinesThenOneInTenMinutes(Said said, String line) throws Exception {
        try (LogCapture log = new LogCapture();
                SendingRig rig = new SendingRig(directory, SendingRig.batches(100))) {
            rig.backend.submit = certificate -> said;
            rig.add(many());

            rig.until(() -> rig.backend.received.size() >= REQUESTS);
            List<String> reported = log.lines("");
            rig.nanos.addAndGet(Duration.ofMinutes(10).toNanos());
            rig.until(() -> !log.lines(" such lines were omitted").isEmpty());

            assertThat(reported).as("five of each kind").hasSizeBetween(5, 15);
            assertThat(reported).filteredOn(text -> text.matches(line)).hasSizeBetween(5, 8);
            assertThat(reported).noneMatch(text -> text.contains("\n"));
            assertThat(log.lines(" such lines were omitted"))
                    .allMatch(text -> text.matches(".*; [1-9][0-9]* such lines were omitted\\)?"));
            assertThat(rig.outbox.pendingEntries()).isEqualTo(MANY);
        }
    }

    @Test
    void diskLosesEverything_whileRunning_isLoggedSparingly() throws Exception {
        try (Outbox outbox =
                Outbox.open(new OutboxOptions(directory.resolve("outbox"), 64 << 20, 0), InstantSource.system())) {
            outbox.append(List.of(many()));
        }
        try (LogCapture log = new LogCapture();
                SendingRig rig = new SendingRig(directory, SendingRig.batches(100))) {
            damageAll();

            rig.untilEmpty();

            assertThat(log.lines("can no longer be read from the disk"))
                    .hasSize(5)
                    .allMatch(text -> text.startsWith("ERROR the certificate with outbox sequence "));
            rig.add(certificate(MANY + 1));
            rig.untilEmpty();
            assertThat(rig.backend.received).hasSize(1);
        }
    }

    private void damageAll() throws Exception {
        try (Stream<Path> files = Files.list(directory.resolve("outbox"))) {
            Path oldest = files.filter(file -> file.toString().endsWith(".wal"))
                    .sorted()
                    .findFirst()
                    .orElseThrow();
            String text = Files.readString(oldest, StandardCharsets.ISO_8859_1);
            Files.writeString(oldest, text.replace("\"regime\":", "\"regimE\":"), StandardCharsets.ISO_8859_1);
        }
    }

    private static byte[][] many() {
        return LongStream.range(0, MANY)
                .mapToObj(epoch -> certificate(epoch, "shard-" + epoch % 50))
                .toArray(byte[][]::new);
    }
}
