// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.outcomes.record.ChangedShards.ChangeMetrics;
import dev.flk.backend.outcomes.record.ChangedShards.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.ShardChange.State;
import dev.flk.program.metrics.Metrics;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests of the comparisons of all shards, which are done step by step. */
final class ChangedShardsTest {
    private final MemoryRecord record = new MemoryRecord();
    private final ChangedShards changes = record.outcomes().changes();
    private long epoch;

    @AfterEach
    void close() {
        record.close();
    }

    private void add(String shard, int count, double dHat) {
        for (int i = 0; i < count; i++) {
            record.add(shard, ++epoch, "accepted", "", record.now, Map.of("recomputed_D_hat", dHat));
        }
    }

    private static void compareAll(ChangedShards shards) {
        while (shards.step()) {
            // until nothing is left
        }
    }

    private List<String> changed() {
        return changes.list(10).stream().map(Changed::shard).toList();
    }

    @Test
    void step_comparesEachShard_andAgainAfterANewOutcome() {
        add("usual", 12, 1.2);
        add("changed", 12, 1.2);
        add("changed", 1, 0.7);
        add("few", 3, 1.2);
        assertThat(changes.notLookedAt()).isEqualTo(3);
        assertThat(changes.of("usual").state()).isEqualTo(State.NOT_LOOKED_AT);

        compareAll(changes);
        assertThat(changes.notLookedAt()).isZero();
        assertThat(changes.of("usual").state()).isEqualTo(State.USUAL);
        assertThat(changes.of("few").state()).isEqualTo(State.TOO_FEW);
        assertThat(changed()).containsExactly("changed");

        add("usual", 1, 1.9);
        assertThat(changes.notLookedAt()).isEqualTo(1);
        compareAll(changes);
        assertThat(changed()).as("the largest distance first").containsExactly("usual", "changed");
        assertThat(changes.names("", "changed", 10)).containsExactly("usual");
        assertThat(changes.names("c", null, 10)).containsExactly("changed");
    }

    @Test
    void step_afterAStart_findsTheShardsOfTheRecord_andCountsThemFirst() {
        add("a", 11, 1.2);
        add("b", 11, 1.2);
        ChangedShards started = new ChangedShards(record.rows(), () -> record.now);

        started.step();
        assertThat(started.isCounted()).isTrue();
        assertThat(started.notLookedAt()).isEqualTo(2);

        compareAll(started);
        assertThat(started.of("b").state()).isEqualTo(State.USUAL);
        assertThat(started.notLookedAt()).isZero();
    }

    @Test
    void of_isAsUsualAgain_countsAsChangedForAnHour() {
        add("a", 12, 1.2);
        add("a", 1, 0.7);
        compareAll(changes);
        add("a", 1, 1.2);
        compareAll(changes);
        assertThat(changes.of("a").state()).isEqualTo(State.CHANGED);

        record.now = record.now.plus(ChangedShards.LISTED).plusSeconds(1);
        assertThat(changes.of("a").state()).isEqualTo(State.USUAL);
        assertThat(changes.size()).isZero();
    }

    @Test
    void step_afterAStart_findsTheChangesOfTheLastHour() {
        add("a", 12, 1.2);
        add("a", 1, 0.7);
        add("a", 60, 1.2);
        compareAll(changes);
        ChangedShards started = new ChangedShards(record.rows(), () -> record.now);
        compareAll(started);
        assertThat(started.of("a")).isEqualTo(changes.of("a"));
        assertThat(started.of("a").state()).isEqualTo(State.CHANGED);

        record.now = record.now.plus(ChangedShards.LISTED).plusSeconds(1);
        started = new ChangedShards(record.rows(), () -> record.now);
        compareAll(started);
        assertThat(started.size()).isZero();
    }

    @Test
    void of_newestStaysChanged_countsAsChanged_butNotInTheMetricAfterAnHour() {
        Metrics metrics = new Metrics("test");
        new ChangeMetrics(metrics).watch(changes, true);
        add("a", 12, 1.2);
        add("a", 1, 0.7);
        compareAll(changes);
        assertThat(metrics.read().sum("flk_shards_changed")).isEqualTo(1);

        record.now = record.now.plus(Duration.ofHours(2));
        assertThat(changed()).containsExactly("a");
        assertThat(metrics.read().sum("flk_shards_changed")).isZero();
    }

    @Test
    void step_recordCannotBeRead_shardStaysDue() {
        add("a", 11, 1.2);
        boolean[] isDown = {true};
        OutcomeRows failing = (OutcomeRows) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {OutcomeRows.class}, (proxy, method, arguments) -> {
                    if (isDown[0] && method.getName().equals("shapes")) {
                        throw new RecordUnavailableException("down", null);
                    }
                    return method.invoke(record.rows(), arguments);
                });
        ChangedShards shards = new ChangedShards(failing, () -> record.now);
        shards.recorded("a");

        assertThatThrownBy(() -> compareAll(shards)).isInstanceOf(RecordUnavailableException.class);
        assertThat(shards.notLookedAt()).isEqualTo(1);
        assertThat(shards.of("a").state()).isEqualTo(State.NOT_LOOKED_AT);

        isDown[0] = false;
        compareAll(shards);
        assertThat(shards.of("a").state()).isEqualTo(State.USUAL);
    }

    @Test
    void step_shardHasNoOutcomesAnyMore_isForgotten() {
        add("a", 12, 1.2);
        add("a", 1, 0.7);
        compareAll(changes);
        while (record.rows().sweep(record.now.plusSeconds(1))) {
            // removes all
        }

        record.now = record.now.plus(Duration.ofMinutes(11));
        compareAll(changes);

        assertThat(changes.size()).isZero();
        assertThat(changes.of("a").state()).isEqualTo(State.NOT_LOOKED_AT);
    }
}
