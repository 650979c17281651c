// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.threads;

import java.util.concurrent.ThreadFactory;

/** A factory of threads that do not keep the program from ending. */
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
