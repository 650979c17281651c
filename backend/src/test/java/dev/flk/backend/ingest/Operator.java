// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.backend.inbox.RecordKind.LoggedId;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Starts a backend of whose log segments are away, and puts them back when it asks for them. It must not go on without what it needs, nor ask
 * for what it does not need. The newest segment, if it was moved and the process died before anybody noticed, is put back at once, or never:
 * nothing that is there tells of it.
 */
final class Operator {
    private final Random random;
    private final World world;
    private final Simulation simulation;

    Operator(Random random, World world, Simulation simulation) {
        this.random = random;
        this.world = world;
        this.simulation = simulation;
    }

    /** What a start needs of that which is away. */
    private enum Need {
        NONE,
        /** It was decided; the store may lack it. */
        PERHAPS,
        ALL
    }

    /** A start; throws what a start throws. */
    void start() throws IOException {
        MovedSegments moved = simulation.moved;
        if (moved.isAny() && moved.isEndAway()) {
            if (random.nextBoolean()) {
                moved.putBack();
            } else {
                giveUpEnd();
            }
        }
        if (!moved.isAny()) {
            simulation.start();
            return;
        }
        Need need = need();
        try {
            simulation.start();
        } catch (IOException e) {
            if (!asksForSegments(e)) {
                throw e;
            }
            // what a failed force has torn is damage where the segments that repeat it are away, whoever needs it
            // and a segment is asked for, too, if nobody can tell whether one that is away had records that nothing
            // repeats
            if (!(e instanceof DamagedLogException damaged)
                    || (damaged.damage().kind() == Damage.Kind.ABSENT
                            && damaged.damage().missing() > 0)) {
                assertThat(need).as("a start asks: %s", e.getMessage()).isNotEqualTo(Need.NONE);
            }
            simulation.kill();
            moved.putBack();
            simulation.start();
            return;
        }
        assertThat(need).as("a start that asked for nothing").isNotEqualTo(Need.ALL);
    }

    private Need need() throws IOException {
        Optional<Marked> kept = simulation.keptMark();
        long decided = kept.map(Marked::decided).orElse(0L);
        long recorded = Math.min(kept.map(Marked::mark).orElse(0L), simulation.durablyRecordedUpTo());
        Set<Long> missing = sequences(simulation.log());
        missing.removeAll(sequences(simulation.wholeLog.readWhatIsThere()));
        Need need = missing.stream().allMatch(sequence -> sequence <= recorded)
                ? Need.NONE
                : missing.stream().allMatch(sequence -> sequence <= decided) ? Need.PERHAPS : Need.ALL;
        world.trace(() -> "decided up to " + decided + ", recorded up to " + recorded + ", away are " + missing);
        return need;
    }

    private static Set<Long> sequences(List<LogRecord> records) {
        return records.stream().map(LogRecord::sequence).collect(Collectors.toCollection(HashSet::new));
    }

    /** What a failed force has torn shows as damage, where the segment that repeats it is away. */
    private static boolean asksForSegments(IOException refusal) {
        return refusal instanceof DamagedLogException
                || String.valueOf(refusal.getMessage()).contains("put the segments back that were moved away");
    }

    /** Behind it there may be what was refused, which nothing contradicts any more. */
    private void giveUpEnd() throws IOException {
        Map<String, PcsId> before = idsByRecord(simulation.log());
        simulation.moved.giveUpEnd();
        Map<String, PcsId> left = idsByRecord(simulation.wholeLog.readWhatIsThere());
        Map<String, PcsId> changed = new HashMap<>(before);
        changed.putAll(left);
        changed.keySet().removeIf(record -> before.containsKey(record) && left.containsKey(record));
        world.trace(() -> "the log's end is gone: " + changed);
        simulation.endIsGone(Set.copyOf(changed.values()));
    }

    private static Map<String, PcsId> idsByRecord(List<LogRecord> records) {
        return records.stream()
                .collect(Collectors.toMap(
                        record -> record.sequence() + " " + Arrays.hashCode(record.body()),
                        record -> LoggedId.of(record).orElseThrow()));
    }
}
