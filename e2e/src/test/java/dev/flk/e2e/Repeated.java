// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Something that happens again and again in the background, until it is closed; what it throws is told then. */
final class Repeated implements AutoCloseable {
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    private volatile Throwable failure;

    /** What may fail. */
    interface Step {
        void take() throws Exception;
    }

    private Repeated() {}

    static Repeated everyMillis(long millis, Step step) {
        Repeated repeated = new Repeated();
        Future<?> unused =
                repeated.timer.scheduleAtFixedRate(() -> repeated.take(step), 0, millis, TimeUnit.MILLISECONDS);
        return repeated;
    }

    private void take(Step step) {
        try {
            step.take();
        } catch (Exception | AssertionError e) {
            failure = e;
        }
    }

    /** No step is under way when it returns. */
    @Override
    public void close() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(30, TimeUnit.SECONDS)) {
                throw new AssertionError("a step does not end");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        if (failure != null) {
            throw new AssertionError(failure);
        }
    }
}
