// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What other threads want done on the sender's thread, in the order it came. Any thread posts, one takes. */
final class Mailbox {
    private final LinkedBlockingQueue<Runnable> mail = new LinkedBlockingQueue<>();

    void post(Runnable task) {
        mail.add(task);
    }

    /** Ends a wait early. */
    void wake() {
        mail.add(() -> {});
    }

    /** Runs everything that has come. */
    void runAll() {
        List<Runnable> tasks = new ArrayList<>();
        mail.drainTo(tasks);
        tasks.forEach(Runnable::run);
    }

    /** Waits until something has come, but not longer; runs what came first. */
    void await(long nanos) throws InterruptedException {
        Runnable first = mail.poll(nanos, TimeUnit.NANOSECONDS);
        if (first != null) {
            first.run();
        }
    }
}
