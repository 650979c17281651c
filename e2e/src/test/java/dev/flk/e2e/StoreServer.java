// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.Map;

/** A real server of a dedup store, to be stopped, paused and put back while backends use it. */
interface StoreServer extends AutoCloseable {

    /** What a backend is started with to use it. */
    Map<String, String> configuration();

    /** SIGKILL; returns when it has ended. */
    void kill();

    /** Starts it on the data that it left. */
    void restart();

    /** Starts it without data, after it was killed. */
    void restartEmpty();

    /** Copies its data as they are now; what is returned starts it on the copy, after it was killed. */
    Runnable copy();

    /** SIGSTOP: its connections stay open, and nothing answers. */
    void pause();

    /** SIGCONT. */
    void resume();

    @Override
    void close();
}
