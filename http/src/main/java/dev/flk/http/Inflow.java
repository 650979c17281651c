// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.buffer.ByteBufHolder;
import io.netty.channel.Channel;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * What comes in on a connection: whether more is read just now, what was read and not taken yet, and whether it is still
 * requests. Holds its messages until they are taken. Owned by the event loop of the connection.
 */
final class Inflow {
    private static final long MAX_IGNORED_BYTES = 64 << 20;

    private final Queue<Object> unread = new ArrayDeque<>();
    private Reading reading = Reading.REQUESTS;
    private boolean paused;
    private boolean ended;
    private long ignoredBytes;

    /** What is done with what comes in. */
    private enum Reading {
        /** It is requests. */
        REQUESTS,
        /** It is no longer of interest; the client has said that it will send nothing more, or has sent it. */
        NOTHING,
        /** It is no longer of interest, but must be read for the client to see the last answer. */
        IGNORED
    }

    /** Takes what the decoder gave, which may be more than is wanted just now. */
    void add(Object message) {
        unread.add(message);
    }

    /** The next message, which is the caller's to release; null if there is none, or it has to wait. */
    @Nullable
    Object poll() {
        return paused ? null : unread.poll();
    }

    /** Notes that the client has shut down its side. */
    void end() {
        ended = true;
    }

    /** Whether the client has shut down its side; what it sent before comes first. */
    boolean isAtEnd() {
        return ended && !paused && unread.isEmpty();
    }

    boolean isPaused() {
        return paused;
    }

    boolean isRequests() {
        return reading == Reading.REQUESTS;
    }

    /** From now on nothing is a request. */
    void expectNothing() {
        reading = Reading.NOTHING;
    }

    /** From now on nothing is a request, but what comes is read, within bounds. */
    void ignoreRest() {
        reading = Reading.IGNORED;
    }

    /** Counts a message that is no longer of interest. */
    void countIgnored(Object message) {
        if (message instanceof ByteBufHolder holder) {
            ignoredBytes += holder.content().readableBytes();
        }
    }

    /** Whether the connection can be closed without taking the last answer from the client, as far as bounds allow. */
    boolean hasReadEnough() {
        return reading == Reading.NOTHING || ignoredBytes > MAX_IGNORED_BYTES;
    }

    /**
     * Pauses or resumes.
     *
     * @param requestsAreWanted whether requests would be read just now
     * @return whether that is a change
     */
    boolean pauseOrResume(boolean requestsAreWanted, Channel channel) {
        boolean wanted = isRequests() ? requestsAreWanted : ignoredBytes <= MAX_IGNORED_BYTES;
        if (wanted != paused || !channel.isOpen()) {
            return false;
        }
        paused = !wanted;
        if (!ended) {
            // after the end there is nothing to read, and Netty's epoll fails when it is asked to
            channel.config().setAutoRead(wanted);
        }
        return true;
    }

    /** Lets go of everything. */
    void release() {
        unread.forEach(ReferenceCountUtil::release);
        unread.clear();
        expectNothing();
    }
}
