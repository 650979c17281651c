// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.fair;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * A small number of threads that run the tasks of many callers. Callers take turns, and one caller occupies at most half
 * of the threads. Tasks with the same lane run one after the other, in their {@link Task#order}. The total weight of
 * the waiting tasks is bounded, and one caller takes at most half of the bound, unless callers have no names: then all
 * are one caller. A caller without a waiting task may always add one. Safe for any thread.
 */
public final class FairThreads implements AutoCloseable {
    /** The size of a stack, which suffices for the deepest recursion of a task on every machine. */
    private static final long STACK_BYTES = 16L << 20;

    private final ExecutorService threads;
    private final int most;
    private final int mostOfACaller;
    private final long maxWaitingWeight;
    // guarded by this
    private final Map<LaneId, Lane> lanes = new HashMap<>();
    private final Map<String, Caller> callers = new HashMap<>();
    /** The callers that may run another task, in the order of their turns. */
    private final ArrayDeque<Caller> turns = new ArrayDeque<>();

    private int running;
    private long waitingWeight;
    private boolean isClosed;

    /**
     * The identity of a sequence of tasks.
     *
     * @param name a name that is unique among the lanes of the caller
     */
    public record LaneId(String caller, String name) {}

    /** A task. */
    public interface Task {
        /** Returns the approximate size of the task in memory, in bytes. */
        long weight();

        /** Returns the place of the task in its lane: of the waiting tasks, the one with the lowest number runs first. */
        long order();

        /**
         * Runs the task. Returns false if the task must run again once {@link FairThreads#resume} was called for its
         * lane; until then, no task of the lane runs.
         */
        boolean run();

        /** Ends a task that will not run, because the threads were closed. */
        void drop();
    }

    private static final class Caller {
        private final String name;
        private final ArrayDeque<Lane> ready = new ArrayDeque<>();
        private int running;
        private int lanes;
        private long waitingWeight;
        private boolean hasTurn;

        Caller(String name) {
            this.name = name;
        }
    }

    private static final class Lane {
        private final LaneId id;
        private final Caller caller;
        private final PriorityQueue<Task> waiting = new PriorityQueue<>(Comparator.comparingLong(Task::order));
        private boolean isRunning;
        private boolean isReady;
        private boolean isPaused;
        /** Whether the lane was resumed since its task began. */
        private boolean isResumed;

        Lane(LaneId id, Caller caller) {
            this.id = id;
            this.caller = caller;
        }
    }

    /**
     * Creates threads, which start when they are needed.
     *
     * @param name the name of the threads
     * @param threads the number of threads, at least 2
     * @param maxWaitingWeight the maximum total weight of waiting tasks, apart from the first one of each caller
     */
    public FairThreads(String name, int threads, long maxWaitingWeight) {
        this.most = threads;
        this.mostOfACaller = threads / 2;
        this.maxWaitingWeight = maxWaitingWeight;
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                threads, threads, 1, TimeUnit.MINUTES, new LinkedBlockingQueue<>(threads), task -> {
                    Thread thread = new Thread(null, task, name, STACK_BYTES);
                    thread.setDaemon(true);
                    return thread;
                });
        pool.allowCoreThreadTimeOut(true);
        this.threads = pool;
    }

    /** Adds a task to its lane, also one that has run before; returns false if too much waits, or after {@link #close}. */
    public synchronized boolean run(LaneId id, Task task) {
        Caller known = callers.get(id.caller());
        if (isClosed || (known != null && known.waitingWeight > 0 && !hasRoom(known, task))) {
            return false;
        }
        Lane lane = lanes.computeIfAbsent(id, missing -> {
            Caller caller = callers.computeIfAbsent(id.caller(), Caller::new);
            caller.lanes++;
            return new Lane(id, caller);
        });
        lane.waiting.add(task);
        addWaiting(lane.caller, task.weight());
        makeReady(lane);
        start();
        return true;
    }

    private boolean hasRoom(Caller caller, Task task) {
        long mostOfIt = caller.name.isEmpty() ? maxWaitingWeight : maxWaitingWeight / 2;
        return waitingWeight + task.weight() <= maxWaitingWeight && caller.waitingWeight + task.weight() <= mostOfIt;
    }

    private void addWaiting(Caller caller, long weight) {
        waitingWeight += weight;
        caller.waitingWeight += weight;
    }

    /** Returns whether a task of a lane waits or runs. */
    public synchronized boolean isBusy(LaneId id) {
        return lanes.containsKey(id);
    }

    /** Lets the tasks of a lane run whose last task returned false. */
    public synchronized void resume(LaneId id) {
        Lane lane = lanes.get(id);
        if (lane != null) {
            lane.isPaused = false;
            lane.isResumed = true;
            makeReady(lane);
            start();
        }
    }

    private void makeReady(Lane lane) {
        if (!lane.isRunning && !lane.isReady && !lane.isPaused && !lane.waiting.isEmpty()) {
            lane.isReady = true;
            lane.caller.ready.add(lane);
            giveTurn(lane.caller);
        }
    }

    private void giveTurn(Caller caller) {
        if (!caller.hasTurn && !caller.ready.isEmpty() && caller.running < mostOfACaller) {
            caller.hasTurn = true;
            turns.add(caller);
        }
    }

    private void start() {
        while (running < most && !turns.isEmpty() && !isClosed) {
            Caller caller = turns.remove();
            caller.hasTurn = false;
            Lane lane = caller.ready.remove();
            lane.isReady = false;
            lane.isRunning = true;
            lane.isResumed = false;
            Task task = lane.waiting.remove();
            addWaiting(caller, -task.weight());
            running++;
            caller.running++;
            giveTurn(caller);
            threads.execute(() -> run(lane, task));
        }
    }

    private void run(Lane lane, Task task) {
        boolean isDone = true;
        try {
            isDone = task.run();
        } finally {
            if (ended(lane, task, isDone)) {
                task.drop();
            }
        }
    }

    /** Records that a run has ended; returns whether the task can't run again, because the threads are closed. */
    private synchronized boolean ended(Lane lane, Task task, boolean isDone) {
        running--;
        lane.isRunning = false;
        lane.caller.running--;
        boolean isLost = !isDone && isClosed;
        if (!isDone && !isClosed) {
            addWaiting(lane.caller, task.weight());
            lane.waiting.add(task);
            lane.isPaused = !lane.isResumed;
        }
        if (lane.waiting.isEmpty()) {
            lanes.remove(lane.id);
            lane.caller.lanes--;
            if (lane.caller.lanes == 0) {
                callers.remove(lane.caller.name);
            }
        }
        makeReady(lane);
        giveTurn(lane.caller);
        start();
        return isLost;
    }

    /** Drops the waiting tasks. Running tasks go on; their lanes run no other task. */
    @Override
    public void close() {
        List<Task> waiting = new ArrayList<>();
        synchronized (this) {
            isClosed = true;
            for (Lane lane : lanes.values()) {
                waiting.addAll(lane.waiting);
                lane.waiting.clear();
            }
            turns.clear();
            waitingWeight = 0;
            threads.shutdown();
        }
        waiting.forEach(Task::drop);
    }
}
