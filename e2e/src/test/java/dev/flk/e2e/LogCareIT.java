// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code wal ls}, {@code verify} and {@code cat} beside a running backend, and on a damaged copy of its log. */
final class LogCareIT {
    private static final int SENDERS = 4;
    private static final int LOOKS = 4;
    private static final List<String> QUICK_START = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

    @TempDir
    private Path directory;

    /** How a command ended, and its lines. */
    private record Ended(int exitCode, List<JsonNode> lines) {
        JsonNode last() {
            return lines.get(lines.size() - 1);
        }
    }

    @Test
    void besideABackendUnderLoad_nothingIsMissingAndWhatWasAnsweredIsSeen() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory)) {
            AtomicBoolean enough = new AtomicBoolean();
            AtomicLong answered = new AtomicLong();
            ConcurrentLinkedQueue<Throwable> surprises = new ConcurrentLinkedQueue<>();
            List<Thread> senders = new ArrayList<>();
            for (int i = 0; i < SENDERS; i++) {
                long first = i * 1_000_000L;
                Thread sender = new Thread(() -> send(backend.url(), first, enough, answered, surprises));
                senders.add(sender);
                sender.start();
            }
            for (int look = 0; look < LOOKS; look++) {
                long before = answered.get();
                Ended verified = wal("verify");
                assertThat(verified.exitCode()).as("%s", verified).isZero();
                assertThat(verified.last().get("records").longValue()).isGreaterThanOrEqualTo(before);
                assertThat(verified.last().get("missing").longValue()).isZero();
            }
            enough.set(true);
            for (Thread sender : senders) {
                sender.join();
            }
            assertThat(surprises).isEmpty();
            assertThat(wal("verify").last().get("records").longValue()).isEqualTo(answered.get());
        }
    }

    @Test
    void besideABackend_lsAndCatSeeWhatWasJustAnswered() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory)) {
            Client client = new Client(backend.url());
            client.submit(Pcs.number(1));
            client.submit(Pcs.number(1).with("r", "0.7"));
            client.submit(Pcs.number(2));

            assertThat(wal("ls").lines().get(0).get("end_sequence").longValue()).isEqualTo(4);
            assertThat(wal("cat", "--id", Pcs.number(1).id().toString()).lines())
                    .extracting(record -> record.get("kind").textValue())
                    .containsExactly("submission", "evidence");
            assertThat(wal("cat", "--from", "3", "--body").last().get("body").textValue())
                    .isEqualTo(Pcs.number(2).json());
        }
    }

    @Test
    void damagedCopy_exactlyTheLostRecordsAreNamed() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory)) {
            Client client = new Client(backend.url());
            for (int i = 1; i <= 6; i++) {
                client.submit(Pcs.number(i));
            }
        }
        for (int lost : List.of(2, 4)) {
            flipIn(Pcs.number(lost).id().toString());
        }

        Ended verified = wal("verify");

        assertThat(verified.exitCode()).isEqualTo(1);
        assertThat(verified.lines().subList(0, 2))
                .extracting(damage -> damage.get("first_missing").longValue() + " to "
                        + damage.get("last_missing").longValue())
                .containsExactly("2 to 2", "4 to 4");
        assertThat(verified.last().get("records").longValue()).isEqualTo(4);
        assertThat(wal("cat").lines())
                .extracting(record -> record.get("sequence").longValue())
                .containsExactly(1L, 3L, 5L, 6L);
    }

    private static void send(
            String url,
            long first,
            AtomicBoolean enough,
            AtomicLong answered,
            ConcurrentLinkedQueue<Throwable> surprises) {
        Client client = new Client(url);
        try {
            for (long epoch = first; !enough.get(); epoch++) {
                assertThat(client.submit(Pcs.number(epoch)).status()).isEqualTo(200);
                answered.incrementAndGet();
            }
        } catch (IOException | InterruptedException | AssertionError e) {
            surprises.add(e);
        }
    }

    /** Changes one byte behind the first place where the text stands in the log. */
    private void flipIn(String text) throws IOException {
        for (Path segment : new InboxLog(directory.resolve("data/wal")).segments()) {
            byte[] bytes = Files.readAllBytes(segment);
            int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
            if (at >= 0) {
                bytes[at] ^= 1;
                Files.write(segment, bytes);
                return;
            }
        }
        throw new AssertionError("not in the log: " + text);
    }

    /** Runs {@code wal …} in the backend's directory, with no configuration at all. */
    private Ended wal(String command, String... options) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("wal", command, "--json"));
        arguments.addAll(List.of(options));
        try (Program program =
                Program.java("flk-backend", directory, Map.of(), QUICK_START, arguments.toArray(String[]::new))) {
            int exitCode = program.awaitExit();
            return new Ended(
                    exitCode, program.out().lines().map(StrictJson::read).toList());
        }
    }
}
