// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.time;

import java.util.concurrent.ThreadFactory;

/** Factories of daemon threads: the program can end while such threads still run. */
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
}
