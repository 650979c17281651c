// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.DecisionRules.Decision;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Tests of {@link DecidedQueue} with submissions of 4 MiB, of which eight fit. */
class DecidedQueueTest {
    private static final String RECORD = "record";
    private static final String FEED = "feed";

    private final Certificate certificate =
            CertificateReader.parse(Pcs.number(1).bytes()).checkIgnoringClock();
    private final DecidedQueue queue = new DecidedQueue();

    DecidedQueueTest() throws MalformedCertificate {}

    private void hand(int from, int to) {
        Decision decision = new DecisionRules(Policy.defaults(), Duration.ofDays(14)).decide(certificate, 0);
        queue.accept(IntStream.rangeClosed(from, to)
                .mapToObj(sequence -> new DecidedSubmission(
                        sequence, 0, "key", new byte[4 << 20], certificate, decision.verdict(), decision.recorded()))
                .toList());
    }

    private List<Long> after(String follower, long position) {
        return queue.after(follower, position, 1_000, 100 << 20).stream()
                .map(each -> each.submission().sequence())
                .toList();
    }

    private static List<Long> from(long first, long last) {
        return LongStream.rangeClosed(first, last).boxed().toList();
    }

    @Test
    void full_newSubmissionsAreLeftOut_unlessOneFollowerHasTheOldest() {
        hand(1, 10);
        assertThat(after(RECORD, 0)).isEqualTo(after(FEED, 0)).isEqualTo(from(1, 8));
        hand(11, 12);
        assertThat(after(RECORD, 8)).isEmpty();
        assertThat(after(FEED, 0)).isEqualTo(from(1, 8));

        hand(13, 14);

        assertThat(after(FEED, 0)).isEmpty();
        assertThat(queue.firstAfter(0)).hasValue(3);
        assertThat(after(FEED, 2)).isEqualTo(from(3, 8));
        assertThat(queue.firstAfter(8)).hasValue(13);
        assertThat(after(RECORD, 12)).isEqualTo(from(13, 14));
    }

    @Test
    void takenByTwo_theOutcomeIsMadeOnce() {
        hand(1, 1);

        assertThat(queue.after(RECORD, 0, 1, 1).get(0).outcome())
                .isSameAs(queue.after(FEED, 0, 1, 1).get(0).outcome());
    }

    @Test
    void partThatWasLeft_isForTheOtherAtThisPosition_untilLessIsDecided() {
        DecidedPart part = new DecidedPart(3, 5, "digest", List.of(), List.of(), List.of());
        assertThat(after(RECORD, 3)).isEqualTo(after(FEED, 3)).isEmpty();
        queue.leave(part, 7);

        assertThat(queue.left(4, 8)).isEmpty();
        assertThat(queue.left(3, 7)).containsSame(part);
        assertThat(queue.left(3, 6)).isEmpty();
        assertThat(queue.left(3, 7)).isEmpty();
    }
}
