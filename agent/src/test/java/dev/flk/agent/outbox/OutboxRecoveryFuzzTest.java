// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.agent.outbox.Outbox.LastSending;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.sample.FuzzInputs;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.FuzzedDamage;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.params.provider.ArgumentsSource;

/**
 * Fuzz tests that open an outbox with damaged files. Every waiting certificate must be one that was added, with its
 * original bytes. Certificates before the damage must be kept. If losses are counted, they must be described. The next
 * start must find the same certificates and accept more.
 */
class OutboxRecoveryFuzzTest {
    private static final Path DIRECTORY = Path.of("outbox");
    private static final int MOST_DAMAGES = 3;

    private final SimulatedDisk complete = new SimulatedDisk(new Random(5));
    private long millis = Instant.parse("2026-11-20T08:00:00Z").toEpochMilli();

    /** The names of the added certificates, by sequence. */
    private final Map<Long, String> added = new HashMap<>();

    private final Set<Long> settled = new HashSet<>();

    /** The end of the record that holds an entry's certificate, by sequence. */
    private final Map<Long, Place> places = new HashMap<>();

    private record Place(String segment, long end) {}

    OutboxRecoveryFuzzTest() throws IOException {
        Outbox first = open(complete);
        add(first, "a1", "a2", "a3", "a4", "a5");
        first.beingSent(
                first.pendingAfter(0, 2),
                new LastSending(Instant.ofEpochMilli(millis), Instant.ofEpochMilli(millis)),
                () -> {});
        steps(first);
        settle(first, SettledAs.ACCEPTED, "a1", "a3");
        first.notArrived(entries(first, "a2"));
        steps(first);
        first.close();

        Outbox second = open(complete);
        add(second, "b1", "b2", "b3", "b4");
        settle(second, SettledAs.ESCALATED, "b1");
        millis += Duration.ofDays(2).toMillis();
        second.compact(Duration.ofDays(1), Mode.RUN);
        settle(second, SettledAs.LOST, "b2");
        second.close();

        Outbox third = open(complete);
        add(third, "c1", "c2", "c3");
        add(third, "d1");
        settle(third, SettledAs.DEAD, "c2");
        add(third, "e1", "e2");
        complete.kill();
        rememberPlaces();
    }

    private Outbox open(SimulatedDisk disk) throws IOException {
        millis += 1000;
        long now = millis;
        return Outbox.openStepped(
                new OutboxOptions(DIRECTORY, 1 << 20, 0),
                () -> Instant.ofEpochMilli(now),
                () -> now * 1_000_000,
                disk,
                new Random(now));
    }

    private void add(Outbox outbox, String... names) throws IOException {
        long last = added.keySet().stream().mapToLong(Long::longValue).max().orElse(0);
        CompletableFuture<Void> done = outbox.add(
                Arrays.stream(names).map(OutboxRecoveryFuzzTest::body).toList());
        steps(outbox);
        done.join();
        List<OutboxEntry> entries = outbox.pendingAfter(last, names.length);
        for (int i = 0; i < names.length; i++) {
            added.put(entries.get(i).sequence(), names[i]);
        }
    }

    private void settle(Outbox outbox, SettledAs fate, String... names) {
        List<OutboxEntry> entries = entries(outbox, names);
        outbox.settle(fate, entries);
        steps(outbox);
        entries.forEach(entry -> settled.add(entry.sequence()));
    }

    private List<OutboxEntry> entries(Outbox outbox, String... names) {
        List<String> wanted = List.of(names);
        return outbox.pendingAfter(0, Integer.MAX_VALUE).stream()
                .filter(entry -> wanted.contains(added.get(entry.sequence())))
                .toList();
    }

    private static void steps(Outbox outbox) {
        while (outbox.step()) {
            // takes all steps
        }
    }

    private static byte[] body(String name) {
        return ("{\"name\":\"" + name + "\",\"x\":\"" + "x".repeat(40) + "\"}").getBytes(StandardCharsets.UTF_8);
    }

    private void rememberPlaces() throws IOException {
        try (LogReader reader = LogReader.open(complete, DIRECTORY, OutboxRecords.PREFIX, 1, OnDamage.STOP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                if (OutboxRecords.holdsCertificate(record.kind())) {
                    byte[] bytes = complete.content(record.position().segment());
                    String text = new String(bytes, StandardCharsets.ISO_8859_1);
                    String certificate = new String(OutboxRecords.certificate(record), StandardCharsets.ISO_8859_1);
                    long end = text.indexOf(certificate, (int) record.position().offset()) + certificate.length() + 1L;
                    // a header may repeat the record of an entry; such an entry is kept only if the whole header is
                    // undamaged
                    places.put(
                            OutboxRecords.entry(record).sequence(),
                            new Place(record.position().segment(), Math.max(end, headerBytes(bytes))));
                }
            }
        }
    }

    /**
     * Returns the size of the header, which fills complete blocks and is followed by a record or the end of the file.
     */
    private static int headerBytes(byte[] segment) {
        int bytes = 4096;
        while (bytes < segment.length && segment[bytes] == ' ') {
            bytes += 4096;
        }
        return bytes;
    }

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void damagedOutbox_keepsEntriesBeforeTheDamage(FuzzedDataProvider data) throws IOException {
        SimulatedDisk disk = complete.copy();
        List<String> segments =
                disk.names().stream().filter(name -> name.endsWith(".wal")).toList();
        for (int damages = data.consumeInt(1, MOST_DAMAGES); damages > 0; damages--) {
            FuzzedDamage.damageOne(data, disk, segments);
        }

        Outbox outbox = open(disk);
        Map<Long, String> pending = pending(outbox);
        assertWasAdded(pending);
        assertNothingInFrontOfTheDamageIsLost(pending, disk);
        if (outbox.lostRecords() > 0) {
            assertThat(outbox.losses()).isNotEmpty();
        }
        disk.kill();

        Outbox again = open(disk);
        assertThat(pending(again)).isEqualTo(pending);
        CompletableFuture<Void> next = again.add(List.of(body("next")));
        steps(again);
        assertThat(next).isCompleted();
        Map<Long, String> more = pending(again);
        assertThat(more).containsAllEntriesOf(pending).hasSize(pending.size() + 1);
        again.settle(SettledAs.ACCEPTED, again.pendingAfter(0, Integer.MAX_VALUE));
        steps(again);
        disk.kill();

        assertThat(pending(open(disk))).isEmpty();
    }

    /** Returns the waiting certificates, by sequence; each must be readable. */
    private static Map<Long, String> pending(Outbox outbox) throws IOException {
        List<OutboxEntry> entries = outbox.pendingAfter(0, Integer.MAX_VALUE);
        Map<Long, byte[]> bodies = outbox.bodies(entries);
        Map<Long, String> pending = new TreeMap<>();
        for (OutboxEntry entry : entries) {
            byte[] body = bodies.get(entry.sequence());
            assertThat(body).as("of entry %d", entry.sequence()).isNotNull().hasSize(entry.bodyBytes());
            pending.put(entry.sequence(), new String(body, StandardCharsets.UTF_8));
        }
        assertThat(outbox.pendingEntries()).isEqualTo(pending.size());
        return pending;
    }

    private void assertWasAdded(Map<Long, String> pending) {
        pending.forEach((sequence, body) -> {
            assertThat(added).containsKey(sequence);
            assertThat(body).isEqualTo(new String(body(added.get(sequence)), StandardCharsets.UTF_8));
        });
    }

    private void assertNothingInFrontOfTheDamageIsLost(Map<Long, String> pending, SimulatedDisk disk) {
        places.forEach((sequence, place) -> {
            int first = Arrays.mismatch(complete.content(place.segment()), disk.content(place.segment()));
            if (!settled.contains(sequence) && (first < 0 || first >= place.end())) {
                assertThat(pending).containsKey(sequence);
            }
        });
    }
}
