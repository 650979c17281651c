// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.RejectedExecutionException;
import org.junit.jupiter.api.Test;

final class LongWorkTest {
    private final Queue<Runnable> later = new ArrayDeque<>();
    /** Each look at it is a turn later. */
    private long nanos;

    private final LongWork longWork = new LongWork(later::add, () -> nanos += LongWork.TURN_NANOS);
    private final List<String> done = new ArrayList<>();

    private class Steps implements LongWork.Work {
        private final String name;
        private int left;

        Steps(String name, int left) {
            this.name = name;
            this.left = left;
        }

        @Override
        public boolean goOn() {
            done.add(name);
            return --left > 0;
        }

        @Override
        public void drop() {
            done.add(name + " dropped");
        }
    }

    private void add(long network, String name, int steps) {
        longWork.add(network, new Steps(name, steps));
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
        longWork.add(1, new Steps("a", 2) {
            @Override
            public boolean goOn() {
                add(1, "behind", 1);
                add(2, "beside", 1);
                return super.goOn();
            }
        });
        runLater();
        assertThat(done).containsExactly("a", "beside", "a", "beside", "behind", "behind");
        add(1, "after all", 1);
        runLater();
        assertThat(done).endsWith("after all");
    }

    @Test
    void shortSteps_areDoneTogether_untilTheTurnIsOver() {
        Queue<Runnable> turns = new ArrayDeque<>();
        LongWork quick = new LongWork(turns::add, () -> nanos += LongWork.TURN_NANOS / 4);
        quick.add(1, new Steps("a", 5));
        quick.add(2, new Steps("b", 1));
        turns.remove().run();
        assertThat(done).containsExactly("a", "b", "a", "a");
        turns.remove().run();
        assertThat(done).hasSize(6);
        assertThat(turns).isEmpty();
    }

    @Test
    void workThatThrows_isGone_andTheRestGoesOn() {
        longWork.add(1, new Steps("bad", 2) {
            @Override
            public boolean goOn() {
                super.goOn();
                throw new IllegalStateException("broken");
            }
        });
        add(1, "good", 1);
        assertThatThrownBy(this::runLater).hasMessage("broken");
        runLater();
        assertThat(done).containsExactly("bad", "good");
    }

    @Test
    void loopThatTakesNoMore_hasNotTakenTheWork() {
        LongWork refused = new LongWork(
                task -> {
                    throw new RejectedExecutionException();
                },
                () -> 0);
        assertThatThrownBy(() -> refused.add(1, new Steps("a", 1))).isInstanceOf(RejectedExecutionException.class);
        refused.dropAll();
        assertThat(done).isEmpty();
    }

    @Test
    void dropAll_dropsWhatIsLeft_andWhatWasPlannedFindsNothing() {
        add(1, "a", 2);
        add(2, "b", 2);
        longWork.dropAll();
        assertThat(done).containsExactly("a dropped", "b dropped");
        later.remove().run();
        assertThat(done).hasSize(2);
        assertThat(later).isEmpty();
    }
}
