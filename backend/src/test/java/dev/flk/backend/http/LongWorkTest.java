// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.junit.jupiter.api.Test;

final class LongWorkTest {
    private final Queue<Runnable> later = new ArrayDeque<>();
    private final LongWork longWork = new LongWork(later::add);
    private final List<String> done = new ArrayList<>();

    private void add(long network, String name, int steps) {
        int[] left = {steps};
        longWork.add(network, () -> {
            done.add(name);
            return --left[0] > 0;
        });
    }

    private void runLater() {
        for (Runnable next = later.poll(); next != null; next = later.poll()) {
            assertThat(later)
                    .as("only one look at the connections is waited for")
                    .isEmpty();
            int before = done.size();
            next.run();
            assertThat(done).as("one step at a time").hasSize(before + 1);
        }
    }

    @Test
    void work_isNotBegunAtOnce_andDoneStepByStep() {
        add(1, "a", 3);
        assertThat(done).isEmpty();
        runLater();
        assertThat(done).containsExactly("a", "a", "a");
    }

    @Test
    void worksOfANetwork_areDoneOneAfterTheOther_andNetworksTakeTurns() {
        add(1, "a1", 2);
        add(1, "a2", 2);
        add(2, "b", 3);
        add(3, "c", 1);
        runLater();
        assertThat(done).containsExactly("a1", "b", "c", "a1", "b", "a2", "b", "a2");
    }

    @Test
    void whatIsAddedWhileItWorks_hasItsTurn() {
        int[] left = {2};
        longWork.add(1, () -> {
            done.add("a");
            add(1, "behind", 1);
            add(2, "beside", 1);
            return --left[0] > 0;
        });
        runLater();
        assertThat(done).containsExactly("a", "beside", "a", "beside", "behind", "behind");
        add(1, "after all", 1);
        runLater();
        assertThat(done).endsWith("after all");
    }

    @Test
    void finish_doesWhatIsLeft_andWhatWasPlannedFindsNothing() {
        add(1, "a", 2);
        add(2, "b", 2);
        longWork.finish();
        assertThat(done).containsExactly("a", "b", "a", "b");
        later.remove().run();
        assertThat(done).hasSize(4);
        assertThat(later).isEmpty();
    }
}
