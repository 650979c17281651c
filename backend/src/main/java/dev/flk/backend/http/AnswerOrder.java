// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.metrics.Meters;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * The requests of a connection that wait for their answers, in the order in which the answers go out, whenever they come.
 * Owned by the event loop.
 */
final class AnswerOrder {
    private final Deque<Exchange> waiting = new ArrayDeque<>();
    private int untaken;
    private final DateHeader date;
    private final Meters meters;

    AnswerOrder(DateHeader date, Meters meters) {
        this.date = date;
        this.meters = meters;
    }

    void add(Exchange exchange) {
        waiting.add(exchange);
    }

    boolean isEmpty() {
        return waiting.isEmpty();
    }

    int size() {
        return waiting.size();
    }

    Optional<Exchange> last() {
        return Optional.ofNullable(waiting.peekLast());
    }

    /** What the bodies of those that wait take. */
    long heldBytes() {
        long bytes = 0;
        for (Exchange exchange : waiting) {
            bytes += exchange.heldBytes();
        }
        return bytes;
    }

    /** Whether there is an answer that only the client keeps from going out. */
    boolean hasUntaken() {
        Exchange next = waiting.peek();
        return untaken > 0 || (next != null && next.isAnswered());
    }

    /** The connection is gone: nothing is kept for it. */
    void release() {
        waiting.forEach(Exchange::discard);
        waiting.clear();
    }

    /**
     * Writes, without flushing, the answers whose turn has come, as long as the network takes them: what waits here may be
     * shared, what was written is a copy.
     *
     * @param written told of each answer when the network has taken it
     * @return the write of the connection's last answer, if that was among them
     */
    Optional<ChannelFuture> write(ChannelHandlerContext context, ChannelFutureListener written) {
        for (Exchange next = waiting.peek(); next != null && context.channel().isWritable(); next = waiting.peek()) {
            Answer answer = next.answer();
            if (answer == null) {
                if (next.wantsContinue()) {
                    next.setWantsContinue(false);
                    context.write(AnswerBytes.goOn(context.alloc())).addListener(written);
                }
                return Optional.empty();
            }
            waiting.remove();
            ChannelFuture write = write(context, next, answer).addListener(written);
            meters.answered(answer.status());
            if (next.isLast()) {
                release();
                return Optional.of(write);
            }
        }
        return Optional.empty();
    }

    private ChannelFuture write(ChannelHandlerContext context, Exchange exchange, Answer answer) {
        untaken++;
        return context.write(AnswerBytes.of(context.alloc(), exchange, answer, date.now()))
                .addListener(taken -> {
                    untaken--;
                    exchange.answerTaken();
                });
    }
}
