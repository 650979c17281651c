// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.follow.FollowerMetrics;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.backend.follow.SteppedFollower;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.TemporaryRows;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict.Kind;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests of the record of outcomes when the log that it follows does not only grow. */
class FollowedLogTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);
    private final Metrics metrics = new Metrics("test");
    private final FollowerMetrics followerMetrics = new FollowerMetrics(metrics, Follows.RECORD);
    private final TemporaryRows rows = new TemporaryRows();

    @AfterEach
    void close() {
        rows.close();
    }

    private SteppedFollower follow() {
        return new SteppedFollower(
                simulation.decidedLog(), rows.rows(), new DecidedQueue(), followerMetrics, FollowedLogTest::noReviews);
    }

    private static CompletableFuture<Long> noReviews(List<byte[]> bodies) {
        throw new AssertionError("there are no reviews");
    }

    private void submit(int from, int to) {
        IntStream.rangeClosed(from, to).forEach(i -> simulation.submitted(Pcs.number(i)));
    }

    private List<RowKey> recorded() {
        return rows.rows().find(OutcomeQuery.ALL.withShard("shard-1").withOrder(Order.EPOCH)).rows().stream()
                .map(OutcomeRows.Version::key)
                .toList();
    }

    private static List<RowKey> rowsOf(IntStream numbers) {
        return numbers.mapToObj(number ->
                        new RowKey("shard-1", number, Pcs.number(number).id().toString()))
                .toList();
    }

    @Test
    void isBehind_untilEverythingFromBeforeTheStartIsRecorded() throws IOException {
        simulation.start();
        submit(1, 20);
        SteppedFollower follower = follow();
        assertThat(follower.isBehind()).isTrue();

        while (follower.isBehind()) {
            boolean unused = follower.step();
        }

        assertThat(recorded()).isEqualTo(rowsOf(IntStream.rangeClosed(1, 20)));
    }

    @Test
    void segmentRemovedBeforeItWasRead_isCountedOnceAndTheRestIsRecorded() throws IOException {
        simulation.start();
        simulation.submitDaily(1, 3);
        simulation.kill();
        simulation.start();
        simulation.settle();
        simulation.disk.remove(simulation.segments().get(1));

        for (int start = 1; start <= 2; start++) {
            follow().catchUp();
            assertThat(ScrapedText.sample(metrics, "flk_record_missed_total")).isEqualTo(1);
        }

        assertThat(recorded()).isEqualTo(rowsOf(IntStream.of(1, 3)));
        assertThat(rows.rows().notes("gap/").values()).containsExactly("log records 2 to 2");
    }

    /** Each policy gives another outcome. Up to the end of its life, an outcome answers; then the next policy decides. */
    @Test
    void idAtTheEndOfItsLife_isDecidedAnew_andTheRowHasBothOutcomes() throws IOException {
        Pcs pcs = Pcs.number(1).with("D_hat", "1.9");
        simulation.start();
        assertThat(simulation.submitted(pcs)).isInstanceOf(Outcome.Decided.class);
        follow().catchUp();
        Duration age =
                Duration.ofMillis(world.nowMillis() - simulation.log().get(0).arrivalMillis());
        store.flush();
        simulation.kill();
        simulation.changePolicy(Policy.parse(Policy.defaults().text().replace("tol_d=0.15", "tol_d=2.0")));
        simulation.start();
        world.advance(Simulation.TTL.minus(age).minusMillis(2));
        simulation.submitted(pcs); // arrives a millisecond later
        assertThat(simulation.log()).hasSize(1);

        world.advance(Duration.ofMillis(1));
        assertThat(simulation.lookedUp(pcs)).isEmpty();
        simulation.submitted(pcs);
        follow().catchUp();

        assertThat(rows.rows().versions(recorded().get(0), 10))
                .extracting(version -> version.outcome().verdict().kind())
                .containsExactly(Kind.ACCEPTED, Kind.REJECTED);
    }
}
