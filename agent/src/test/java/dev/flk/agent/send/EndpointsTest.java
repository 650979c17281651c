// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.ScriptedBackend.Said;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

class EndpointsTest extends SendingTest {
    @Test
    void firstAnswers_othersAreNotContacted() throws Exception {
        SendingRig rig = rig(SendingRig.batches(2), 2);
        rig.add(certificate(1), certificate(2), certificate(3));

        rig.untilEmpty();

        assertThat(rig.backends.get(1).paths).isEmpty();
    }

    @Test
    void firstIsDown_secondIsUsedUntilTheFirstRecovers() throws Exception {
        SendingRig rig = rig(SendingRig.singles(), 2);
        rig.backend.health = Said.of(502, "<html>");
        rig.add(certificate(1), certificate(2));
        rig.untilEmpty();
        assertThat(rig.backends.get(1).received).hasSize(2);
        assertThat(rig.backend.received).isEmpty();

        rig.backend.health = Said.of(200, "OK");
        rig.nanos.addAndGet(Duration.ofMinutes(5).toNanos());
        rig.add(certificate(3));
        rig.until(() -> !rig.backend.received.isEmpty() || rig.outbox.pendingEntries() == 0);
        rig.add(certificate(4));
        rig.untilEmpty();

        assertThat(rig.backend.received).isNotEmpty();
        rig.assertNoDeadLetters();
    }

    @Test
    void firstRefusesAll_secondAccepts() throws Exception {
        SendingRig rig = rig(SendingRig.singles(), 2);
        rig.backend.submit = c -> Said.error(503, "disk full").with("Retry-After", "3600");
        rig.add(certificate(1));

        rig.untilEmpty();

        assertThat(rig.backends.get(1).received).hasSize(1);
    }

    @Test
    void firstGivesForeignAnswersAfterOneOfItsOwn_secondIsTried() throws Exception {
        SendingRig rig = rig(SendingRig.singles(), 2);
        rig.add(certificate(1));
        rig.untilEmpty();
        rig.backend.submit = c -> Said.of(407, "<html>");
        rig.add(certificate(2));

        rig.until(() -> rig.backend.received.size() > 10 || rig.outbox.pendingEntries() == 0);

        assertThat(rig.backends.get(1).received).hasSize(1);
        rig.assertNoDeadLetters();
    }

    @Test
    void outageOfAnHour_underTraffic_makesNoDeadLettersAndRecoversGradually() throws Exception {
        SendingRig rig = rig(SendingRig.batches(100));
        rig.backend.batch = lines -> Said.nothing();
        rig.backend.submit = c -> Said.nothing();
        int added = 0;
        long end = rig.nanos.get() + Duration.ofHours(1).toNanos();
        while (rig.nanos.get() < end) {
            if (added < 600 && added <= rig.nanos.get() / Duration.ofSeconds(6).toNanos()) {
                rig.add(certificate(added++));
            }
            rig.step();
        }
        assertThat(added).isEqualTo(600);
        assertThat(rig.outbox.pendingEntries()).isEqualTo(600);
        assertThat(rig.backend.paths.size()).as("asks now and then only").isLessThan(400);
        List<Integer> sizes = new CopyOnWriteArrayList<>();
        rig.backend.batch = lines -> {
            sizes.add((int) lines.lines().count());
            return rig.backend.eachLine(lines);
        };
        rig.backend.submit = Said::recorded;

        rig.untilEmpty();

        rig.assertNoDeadLetters();
        assertThat(sizes.get(0)).as("begins with little").isLessThanOrEqualTo(4);
        assertThat(sizes).as("and ends with whole batches").contains(100);
    }

    @Test
    void batchWithoutAnswer_isSplitUntilItIsAnswered() throws Exception {
        SendingRig rig = rig(SendingRig.batches(8));
        rig.backend.batch = lines -> lines.contains("\"epoch\":3,") ? Said.nothing() : rig.backend.eachLine(lines);
        for (int i = 1; i <= 8; i++) {
            rig.add(certificate(i));
        }

        rig.untilEmpty();

        rig.assertNoDeadLetters();
    }

    @Test
    void reconfigure_newKey_signsWithIt() throws Exception {
        SendingRig rig = rig(SendingRig.singles());
        rig.backend.submit = c -> Said.error(401, "Signature verification failed");
        rig.add(certificate(1), certificate(2));
        rig.until(() -> rig.backend.received.size() >= 3);
        String before = rig.backend.received.get(0);

        rig.sender.reconfigure(rig.setup("another secret"));
        rig.backend.submit =
                c -> c.contains(sig(before)) ? Said.error(401, "Signature verification failed") : Said.recorded(c);
        rig.untilEmpty();

        rig.assertNoDeadLetters();
    }

    private static String sig(String certificate) {
        return certificate.replaceAll(".*(\"sig\":\"[^\"]*\").*", "$1");
    }
}
