// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.Event.Change;
import dev.flk.state.embedded.EmbeddedStorage;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process that commits from several threads is killed at random moments: nothing that it was answered is missing, nothing half there. */
class KilledStateTest {
    private static final int THREADS = 8;

    @TempDir
    private Path directory;

    /** Commits until it is killed, and prints each answer: revision, thread, count. */
    static final class Committing {
        public static void main(String[] args) throws InterruptedException {
            EngineHarness state = open(Path.of(args[0]));
            for (int i = 0; i < THREADS; i++) {
                String thread = "thread-" + i;
                new Thread(() -> {
                            for (int count = 1; ; count++) {
                                Committed committed = state.apply(
                                        state.write(thread, "first", Integer.toString(count)),
                                        state.write(thread, "second", Integer.toString(count)));
                                System.out.println(committed.revision() + " " + thread + " " + count);
                            }
                        })
                        .start();
            }
            Thread.currentThread().join();
        }
    }

    private static EngineHarness open(Path path) {
        return new EngineHarness(() -> new EmbeddedStorage(path, 1 << 20, () -> "history"));
    }

    @Test
    void killed_answeredCommitsAreThere() throws Exception {
        kill(10, new Random());
    }

    @Test
    @Tag("thorough")
    void killed_manyMoreTimes() throws Exception {
        kill(200, new Random());
    }

    private void kill(int times, Random random) throws Exception {
        long revision = 0;
        for (int i = 0; i < times; i++) {
            List<String> answered = commitUntilKilled(1 + random.nextInt(300));
            try (EngineHarness state = open(directory)) {
                List<Event> events = state.replay(1);
                assertThat(events).hasSize(Math.toIntExact(state.engine.head().revision()));
                assertThat(events.size()).isGreaterThan(Math.toIntExact(revision));
                for (String answer : answered) {
                    String[] parts = answer.split(" ", -1);
                    Event event = events.get(Integer.parseInt(parts[0]) - 1);
                    assertThat(event.revision()).isEqualTo(Long.parseLong(parts[0]));
                    assertThat(event.changes())
                            .extracting(change -> change.key().agentId())
                            .containsOnly(parts[1]);
                    assertThat(event.changes()).extracting(Change::json).containsExactly(parts[2], parts[2]);
                }
                assertThat(events).allMatch(event -> event.changes().size() == 2);
                revision = events.size();
            }
        }
    }

    private List<String> commitUntilKilled(int answersBefore) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Committing.class.getName(),
                        directory.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        List<String> answered = new ArrayList<>();
        try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                answered.add(line);
                if (answered.size() == answersBefore) {
                    // it leaves what was printed to be read
                    assertThat(process.toHandle().destroyForcibly()).isTrue();
                }
            }
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        // the last line may be cut off
        answered.removeIf(line -> line.split(" ", -1).length < 3);
        if (!answered.isEmpty()) {
            answered.remove(answered.size() - 1);
        }
        return answered;
    }
}
