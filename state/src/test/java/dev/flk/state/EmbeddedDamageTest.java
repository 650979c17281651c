// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.History.At;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateReads.Found;
import dev.flk.state.embedded.EmbeddedStorage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A byte flipped anywhere in the files: the state refuses to open or to read, in words, or all of it is right. Never less. */
class EmbeddedDamageTest {
    private static final int COMMITS = 40;

    @TempDir
    private Path directory;

    private List<Event> events;

    /** What a process that was killed leaves: some of it in tables, some in the log alone. */
    @BeforeEach
    void write() throws IOException {
        try (EngineHarness state = open(directory.resolve("written"))) {
            for (int i = 0; i < COMMITS; i++) {
                if (i == COMMITS / 2) {
                    state.restart(); // what was written is in tables now
                }
                state.apply(
                        "request-" + i,
                        state.write(
                                "agent-" + i % 3, "key", "{\"n\":" + i + ",\"text\":\"" + "x".repeat(i * 20) + "\"}"),
                        i % 5 == 0
                                ? EngineHarness.delete("agent", "key")
                                : state.write("agent", "key", Integer.toString(i)));
            }
            events = state.replay(1);
            copy(directory.resolve("written"), directory.resolve("killed"));
        }
    }

    private static EngineHarness open(Path path) {
        return new EngineHarness(() -> new EmbeddedStorage(path, 1 << 20, () -> "history"));
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }

    @Test
    void flippedByte_anywhere() throws IOException {
        flip(new Random(1), 150);
    }

    @Test
    @Tag("thorough")
    void flippedByte_anywhere_more() throws IOException {
        flip(new Random(2), 3_000);
    }

    /** With a wrong length or type, the last record looks as if it had only half been written. */
    @Test
    void flippedBit_inLengthAndType_ofEachLogsLastRecord() throws IOException {
        for (Path file : files()) {
            String name = file.getFileName().toString();
            if (name.endsWith(".log") || name.startsWith("MANIFEST")) {
                byte[] content = Files.readAllBytes(file);
                int last = 0;
                for (int next = 0; next < content.length; ) {
                    last = next;
                    next += 7 + (content[next + 4] & 0xff) + ((content[next + 5] & 0xff) << 8);
                }
                for (int bit = 0; bit < 24; bit++) {
                    flip(file, last + 4 + bit / 8, 1 << bit % 8);
                }
            }
        }
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve("killed"))) {
            return files.filter(file -> !file.getFileName().toString().equals("LOCK"))
                    .filter(file -> file.toFile().length() > 0)
                    .sorted()
                    .toList();
        }
    }

    private void flip(Random random, int times) throws IOException {
        List<Path> files = files();
        for (int i = 0; i < times; i++) {
            Path file = files.get(random.nextInt(files.size()));
            flip(file, random.nextLong(Files.size(file)), 1 << random.nextInt(8));
        }
    }

    private void flip(Path file, long at, int bits) throws IOException {
        Path damaged = directory.resolve("damaged");
        deleteAll(damaged);
        copy(directory.resolve("killed"), damaged);
        byte[] content = Files.readAllBytes(file);
        content[(int) at] ^= (byte) bits;
        Files.write(damaged.resolve(file.getFileName()), content);
        String what = "byte " + at + " of " + file.getFileName() + " of " + content.length;
        try (EngineHarness state = open(damaged)) {
            try {
                assertThat(state.replay(1)).as(what).isEqualTo(events);
                assertThat(newest(state)).as(what).isEqualTo(expected());
            } catch (StateException e) {
                assertThat(e.reason()).as(what).isEqualTo(Reason.STORE_DOWN);
                assertThat(e).as(what).hasMessageContaining(damaged.toString());
            }
        }
    }

    private static List<Found> newest(EngineHarness state) {
        List<Found> found = new ArrayList<>();
        for (String agentId : List.of("agent", "agent-0", "agent-1", "agent-2")) {
            found.add(state.get(agentId, "key", new At.Now()));
        }
        return found;
    }

    private List<Found> expected() {
        StateModel model = new StateModel();
        for (Event event : events) {
            for (Event.Change change : event.changes()) {
                model.versions
                        .computeIfAbsent(change.key(), key -> new ArrayList<>())
                        .add(new Version(change.version(), event.revision(), event.committedAtMicros(), change.json()));
            }
        }
        List<Found> expected = new ArrayList<>();
        for (String agentId : List.of("agent", "agent-0", "agent-1", "agent-2")) {
            expected.add(model.get(EngineHarness.key(agentId, "key"), Long.MAX_VALUE));
        }
        return expected;
    }

    private static void deleteAll(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            try (Stream<Path> files = Files.list(path)) {
                for (Path file : files.toList()) {
                    deleteAll(file);
                }
            }
        }
        Files.deleteIfExists(path);
    }
}
