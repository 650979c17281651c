// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.copy.CopyRecord.Beat;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRecord.End;
import dev.flk.copy.CopyRecord.Part;
import dev.flk.copy.CopyRecord.Segment;
import dev.flk.copy.testing.SimulatedTopic;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Tests of who may claim a log of which this machine has nothing. */
class CopyStartTest {
    private static final Path ARCHIVE = Path.of("/archive");
    private static final Claim OWNER = new Claim("000000000000000a", "000000000000001a", 1_000, "one");
    private static final Claim OTHER = new Claim("000000000000000b", "000000000000001b", 100_000, "two");

    private final Random random = new Random(1);
    private final SimulatedTopic topic = new SimulatedTopic(random);
    private long nowMillis = 100_000;

    private long takeAll() throws IOException, CopyRefusedException {
        topic.settle();
        topic.setImmediate(true);
        SimulatedDisk disk = new SimulatedDisk(random);
        disk.createDirectories(ARCHIVE);
        return new CopyStart(disk, ARCHIVE, "inbox", topic.connect(), () -> Instant.ofEpochMilli(nowMillis))
                .takeAll(ARCHIVE, OTHER, false);
    }

    private void copy(long ordinal, End after, int bytes) {
        Segment segment =
                new Segment("%016x".formatted(ordinal), ordinal, "inbox-20261128-%016d.wal".formatted(ordinal));
        topic.append(new Part(OWNER.incarnation(), segment, true, 0, after, new byte[bytes]).encode());
    }

    /** The claim of a backend that runs for long is removed with the oldest segments. */
    @Test
    void ownerWhoseClaimWasTrimmed_isNotTakenOverWhileItIsAlive() throws Exception {
        topic.append(OWNER.encode());
        copy(1, new End(0, 0), 100);
        long second = topic.end();
        copy(2, new End(1, 100), 70);
        topic.append(new Beat(OWNER, 95_000).encode());
        topic.connect().trim(second);

        CopyRefusedException refused = catchThrowableOfType(CopyRefusedException.class, this::takeAll);
        assertThat(refused)
                .hasMessageContaining("the log belongs to another backend")
                .hasMessageContaining("was alive at 1970-01-01T00:01:35Z");
        assertThat(refused.mayPass()).isTrue();

        nowMillis += CopyStart.ALIVE.toMillis();
        assertThat(takeAll()).isEqualTo(70);
    }
}
