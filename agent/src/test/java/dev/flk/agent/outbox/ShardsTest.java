// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ShardsTest {
    private static final short OTHERS = 0;

    private final Shards shards = new Shards();

    @BeforeEach
    void full() {
        for (int i = 1; i <= 64; i++) {
            shards.came(shards.number("shard-" + i));
        }
    }

    @Test
    void number_tableFull_thoseThatComeLaterAreTheOthers() {
        assertThat(shards.number("shard-65")).isEqualTo(OTHERS).isEqualTo(shards.number("shard-66"));

        assertThat(shards.name(OTHERS)).isEqualTo("(others)");
        assertThat(shards.name(shards.number("shard-64"))).isEqualTo("shard-64");
        assertThat(shards.all()).hasSize(65);
    }

    @Test
    void number_ofAShardThatIsCalledTheOthers_isTheirs() {
        assertThat(shards.number("(others)")).isEqualTo(OTHERS);
    }

    @Test
    void number_whileRead_aNameOfWhichNothingWaitsGivesWay() {
        short left = shards.number("shard-7");
        shards.went(left);

        assertThat(shards.number("shard-65")).isEqualTo(left);

        assertThat(shards.name(left)).isEqualTo("shard-65");
        assertThat(shards.all()).hasSize(65).doesNotContainValue("shard-7");
    }

    @Test
    void keepNames_onlyThoseOfWhichSomethingWaitsHaveOne_andNoneGivesWayFromThenOn() {
        shards.went(shards.number("shard-7"));

        shards.keepNames();

        assertThat(shards.all()).hasSize(64).doesNotContainValue("shard-7");
        short last = shards.number("shard-65");
        assertThat(shards.name(last)).isEqualTo("shard-65");
        shards.went(shards.number("shard-8"));
        assertThat(shards.number("shard-66")).isEqualTo(OTHERS);
        assertThat(shards.all()).containsValues("shard-8", "shard-65");
    }
}
