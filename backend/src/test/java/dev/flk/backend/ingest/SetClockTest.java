// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.relation;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ch.qos.logback.classic.Level;
import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.program.logging.LogCapture;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of a backend whose wall clock jumps. */
final class SetClockTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);
    private final Pcs first = Pcs.number(1);
    private final Pcs other = first.with("budget", "0.9");

    private void submitWithoutAStore(Pcs pcs) {
        store.setMood(Mood.DOWN);
        simulation.submit(pcs);
        simulation.answerAll();
    }

    /** Checks that no list for the store contains an id twice, because the store would reject the list each time. */
    @Test
    void setBackBeforeAnExpiry_twoPendingOfOneId_areDecidedInTurn() throws IOException {
        simulation.start();
        submitWithoutAStore(first);
        world.advance(Simulation.TTL);
        submitWithoutAStore(other); // the first has expired
        simulation.clock.set(Duration.ofHours(-2));
        world.advance(Duration.ofHours(1)); // the clock is trusted, so the first is valid again

        store.setMood(Mood.UP);
        simulation.settle();

        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 's', 'o');
        simulation.audit();
    }

    /** Checks that submissions in the backlog are recorded before later ones. */
    @Test
    void setAhead_pendingHasNotExpired() throws IOException {
        simulation.start();
        submitWithoutAStore(first);
        simulation.clock.set(Simulation.TTL.plusDays(1));
        submitWithoutAStore(other);

        store.setMood(Mood.UP);
        simulation.settle();

        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 'e');
        simulation.audit();
    }

    /** Otherwise the next start, which compares its clock with the last record, would doubt the right time. */
    @Test
    void setAhead_reviewIsLoggedWithTheTimeOfArrivals() throws IOException {
        simulation.start();
        long before = world.nowMillis();
        simulation.clock.set(Duration.ofDays(20));

        CompletableFuture<Long> logged = simulation.logReviews(List.of(LoggedReview.encodeVoid(1)));
        simulation.settle();

        assertThat(logged).isCompletedWithValue(1L);
        assertThat(simulation.log())
                .extracting(LogRecord::arrivalMillis)
                .allMatch(arrival -> arrival - before < 60_000);
    }

    /** Checks that the loss of the later outcome is reported, because the expired outcome may win again. */
    @Test
    void setBackBeforeAnExpiryAndStoreLost_lossIsReported() throws IOException {
        simulation.start();
        simulation.submit(first);
        simulation.settle();
        world.advance(Simulation.TTL);
        simulation.submit(other);
        simulation.settle();
        simulation.stepLogCare(); // saves the mark
        simulation.kill();
        store.empty();
        simulation.clock.set(Duration.ofHours(-1));

        try (LogCapture log = new LogCapture("dev.flk.backend.ingest", Level.ERROR)) {
            simulation.start();
            assertThat(log.lines(" outcome lost: its sender may have been answered 202 "))
                    .hasSize(1);
        }
        assertThat(simulation.metric("flk_lost_outcomes_total")).isEqualTo(1);
    }

    /**
     * Ends each jump within seconds, before the new time is trusted. Outcomes from during the jump remain valid for as
     * long as all others.
     */
    @ParameterizedTest
    @ValueSource(ints = {-20, 20})
    void jumpsByDaysForSeconds_everyAnswerRemains(int days) throws IOException {
        simulation.start();
        List<Pcs> answered = new ArrayList<>();
        for (int jump = 0; jump < 4; jump++) {
            submitAndSettle(answered, 2 * jump);
            simulation.clock.set(Duration.ofDays(days));
            world.advance(Duration.ofSeconds(5));
            submitAndSettle(answered, 2 * jump + 1);
            simulation.clock.set(Duration.ZERO);
            requireAnswersStand(answered);
        }
        world.advance(Simulation.TTL.minusHours(2));
        requireAnswersStand(answered);
        simulation.audit();
    }

    /**
     * Keeps the jump for more than an hour, so that the wall clock is trusted. All outcomes still remain valid for
     * their full lifetime in elapsed time.
     */
    @ParameterizedTest
    @ValueSource(ints = {-20, 20})
    void jumpsByDaysForHours_everyAnswerRemains(int days) throws IOException {
        simulation.start();
        List<Pcs> answered = new ArrayList<>();
        submitAndSettle(answered, 0);
        simulation.clock.set(Duration.ofDays(days));
        world.advance(Duration.ofHours(3));
        submitAndSettle(answered, 1);
        simulation.clock.set(Duration.ZERO);
        requireAnswersStand(answered);
        world.advance(Duration.ofHours(3));
        submitAndSettle(answered, 2);
        for (int day = 0; day < 12; day++) {
            requireAnswersStand(answered);
            simulation.stepLogCare();
            world.advance(Duration.ofDays(1));
        }
        requireAnswersStand(answered);
        simulation.audit();
    }

    /**
     * Starts with a clock that is three weeks ahead. Outcomes and segments remain for an hour, also after a restart in
     * that hour, so that the clock can be corrected.
     */
    @Test
    void startThreeWeeksAhead_nothingExpiresOrIsRemovedForAnHour() throws IOException {
        simulation.start();
        List<Pcs> answered = new ArrayList<>();
        simulation.stepLogCare(); // saves the time
        for (int day = 0; day < 3; day++) {
            submitAndSettle(answered, day);
            simulation.stepLogCare();
            world.advance(Duration.ofDays(1));
        }
        int segments = simulation.segments().size();

        simulation.clock.set(Duration.ofDays(21));
        for (int start = 0; start < 3; start++) {
            simulation.kill();
            simulation.start();
            simulation.settle();
            requireAnswersStand(answered);
            world.advance(Duration.ofMinutes(50));
            simulation.stepLogCare();
            requireAnswersStand(answered);
            assertThat(simulation.segments()).hasSizeGreaterThanOrEqualTo(segments);
        }
        simulation.clock.set(Duration.ZERO);
        world.advance(Duration.ofHours(2));
        simulation.stepLogCare();
        requireAnswersStand(answered);
        assertThat(simulation.segments()).hasSizeGreaterThanOrEqualTo(segments);
        simulation.audit();
    }

    /** Checks a log of the previous version, which has no file with the time. */
    @Test
    void startThreeWeeksAhead_fileWithTheTimeMissing_lastArrivalShowsIt() throws IOException {
        simulation.start();
        List<Pcs> answered = new ArrayList<>();
        submitAndSettle(answered, 0);
        simulation.stepLogCare();
        simulation.kill();
        simulation.disk.remove(Inbox.CLOCK_FILE);
        simulation.clock.set(Duration.ofDays(21));
        simulation.start();
        simulation.settle();

        requireAnswersStand(answered);
        simulation.audit();
    }

    /**
     * Starts with a clock that is three weeks late, and again with the right clock. Outcomes that were recorded under
     * the late clock remain for an hour, also after further restarts with either clock in that hour.
     */
    @Test
    void startThreeWeeksLate_correctedByARestart_nothingExpiresForAnHour() throws IOException {
        simulation.start();
        List<Pcs> answered = new ArrayList<>();
        submitAndSettle(answered, 0);
        simulation.stepLogCare(); // saves the right time
        for (int start = 1; start <= 3; start++) {
            simulation.kill();
            simulation.clock.set(Duration.ofDays(-21));
            simulation.start();
            simulation.settle();
            assertThat(simulation.metric("flk_clock_behind_seconds"))
                    .isGreaterThan((double) Duration.ofDays(20).toSeconds());
            submitAndSettle(answered, start);

            simulation.kill();
            simulation.clock.set(Duration.ZERO);
            simulation.start();
            simulation.settle();
            requireAnswersStand(answered);
            world.advance(Duration.ofMinutes(50));
            simulation.stepLogCare();
            requireAnswersStand(answered);
        }
        simulation.audit();
    }

    /** Trusts the right clock after an hour, and restarts while the outcomes from before are still kept. */
    @Test
    void threeWeeksLate_correctedWhileRunning_nothingExpiresForAnHourAfterARestart() throws IOException {
        simulation.clock.set(Duration.ofDays(-21));
        simulation.start();
        List<Pcs> answered = new ArrayList<>();
        submitAndSettle(answered, 0);
        simulation.stepLogCare();
        simulation.clock.set(Duration.ZERO);
        world.advance(Duration.ofHours(2));
        submitAndSettle(answered, 1);
        simulation.stepLogCare();
        requireAnswersStand(answered);

        for (int start = 0; start < 3; start++) {
            simulation.kill();
            simulation.start();
            simulation.settle();
            requireAnswersStand(answered);
            world.advance(Duration.ofMinutes(50));
            simulation.stepLogCare();
            requireAnswersStand(answered);
        }
        simulation.audit();
    }

    /** Puts back the file with the time of a start that doubted the clock, as an older disk of a copied log has it. */
    @Test
    void fileWithTheTimeIsOfAnOlderDoubt_storeIsLost_expiredOutcomesStayExpired() throws IOException {
        simulation.start();
        submitAndSettle(new ArrayList<>(), 0);
        simulation.stepLogCare();
        simulation.kill();
        world.advance(Duration.ofDays(3));
        simulation.start(); // doubts the clock
        byte[] older = simulation.disk.content(Inbox.CLOCK_FILE);
        simulation.submit(first);
        simulation.settle();
        world.advance(Simulation.TTL);
        simulation.submit(other);
        simulation.settle();
        simulation.stepLogCare();

        simulation.kill();
        store.empty();
        simulation.disk.put(Inbox.CLOCK_FILE, older);
        simulation.start();
        simulation.settle();

        assertThat(simulation.metric("flk_lost_outcomes_total")).isZero();
        assertThat(relation(simulation.submitted(other))).isEqualTo(Relation.DUPLICATE);
        simulation.audit();
    }

    @Test
    void startBehind_isReportedUntilTheClockIsSet() throws IOException {
        simulation.start();
        submitAndSettle(new ArrayList<>(), 0);
        simulation.stepLogCare();
        simulation.kill();
        assertThat(simulation.metric("flk_clock_behind_seconds")).isZero();
        simulation.clock.set(Duration.ofHours(-2));
        simulation.start();

        assertThat(simulation.metric("flk_clock_behind_seconds")).isCloseTo(7_200, within(1.0));
        simulation.clock.set(Duration.ZERO);
        assertThat(simulation.metric("flk_clock_behind_seconds")).isZero();
    }

    private void submitAndSettle(List<Pcs> answered, int epoch) {
        Pcs pcs = Pcs.number(100 + epoch);
        simulation.submit(pcs);
        simulation.settle();
        answered.add(pcs);
    }

    /** Checks that different content under each answered id is a conflict. */
    private void requireAnswersStand(List<Pcs> answered) {
        for (Pcs pcs : answered) {
            assertThat(relation(simulation.submitted(pcs.with("budget", "0.9"))))
                    .isEqualTo(Relation.CONFLICT);
        }
    }
}
