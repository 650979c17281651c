// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.time;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Daemon threads: the program can end while such threads still run. */
public final class DaemonThreads {
    private DaemonThreads() {}

    /** Returns a factory whose threads all have this name. */
    public static ThreadFactory named(String name) {
        return task -> {
            Thread thread = new Thread(task, name);
            thread.setDaemon(true);
            return thread;
        };
    }

    /**
     * Returns an executor of at most {@code threads} threads with this name, which end when they are idle for ten
     * seconds. It refuses tasks while {@code mostWaiting} wait.
     */
    public static ThreadPoolExecutor pool(String name, int threads, int mostWaiting) {
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                threads, threads, 10, TimeUnit.SECONDS, new ArrayBlockingQueue<>(mostWaiting), named(name));
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }
}
