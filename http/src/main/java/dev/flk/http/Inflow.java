// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.buffer.ByteBufHolder;
import io.netty.channel.Channel;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * The input of a connection: decides whether to read more, keeps messages until they are processed, and tracks whether
 * they are still requests. Holds references to its messages until they are polled. Owned by the event loop of the
 * connection.
 */
final class Inflow {
    private static final long MAX_IGNORED_BYTES = 64 << 20;

    private final Queue<Object> unread = new ArrayDeque<>();
    private Reading reading = Reading.REQUESTS;
    private boolean paused;
    private boolean ended;
    private long ignoredBytes;

    /** The treatment of input. */
    private enum Reading {
        /** Input consists of requests. */
        REQUESTS,
        /** Input is no longer needed, and the client has announced its end or has already sent all of it. */
        NOTHING,
        /** Input is discarded, but must be read so that the client receives the last answer. */
        IGNORED
    }

    /** Adds a message from the decoder, even if reading is paused. */
    void add(Object message) {
        unread.add(message);
    }

    /** Returns the next message, which the caller must release; null if none exists or reading is paused. */
    @Nullable
    Object poll() {
        return paused ? null : unread.poll();
    }

    /** Records that the client has shut down its side. */
    void end() {
        ended = true;
    }

    /** Returns whether the client has shut down its side and everything that it sent before has been processed. */
    boolean isAtEnd() {
        return ended && !paused && unread.isEmpty();
    }

    boolean isPaused() {
        return paused;
    }

    boolean isRequests() {
        return reading == Reading.REQUESTS;
    }

    /** Treats further input as unexpected: there are no more requests. */
    void expectNothing() {
        reading = Reading.NOTHING;
    }

    /** Discards further input, up to a limit. */
    void ignoreRest() {
        reading = Reading.IGNORED;
    }

    /** Counts the bytes of a discarded message. */
    void countIgnored(Object message) {
        if (message instanceof ByteBufHolder holder) {
            ignoredBytes += holder.content().readableBytes();
        }
    }

    /**
     * Returns whether the connection can be closed without destroying the last answer, or the limit on discarded bytes
     * was exceeded.
     */
    boolean hasReadEnough() {
        return reading == Reading.NOTHING || ignoredBytes > MAX_IGNORED_BYTES;
    }

    /**
     * Pauses or resumes reading.
     *
     * @param requestsAreWanted whether further requests may be read at present
     * @return whether the state changed
     */
    boolean pauseOrResume(boolean requestsAreWanted, Channel channel) {
        boolean wanted = isRequests() ? requestsAreWanted : ignoredBytes <= MAX_IGNORED_BYTES;
        if (wanted != paused || !channel.isOpen()) {
            return false;
        }
        paused = !wanted;
        if (!ended) {
            // after the end of input there is nothing to read, and Netty's epoll transport would fail
            channel.config().setAutoRead(wanted);
        }
        return true;
    }

    /** Releases all messages. */
    void release() {
        unread.forEach(ReferenceCountUtil::release);
        unread.clear();
        expectNothing();
    }
}
