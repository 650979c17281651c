// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoOps;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.util.concurrent.ThreadAwareExecutor;

/**
 * Netty's epoll transport, without a defect that cuts off answers to clients that have shut down their side.
 *
 * <p>After the end of the input, a channel waits for no event until it has more bytes to send than the socket accepts.
 * Netty (since 4.2.13, and still in 4.2.20) removes the socket of a channel without events from the epoll set, but
 * does not add the socket again when the channel has to wait until the socket is writable. {@code epoll_ctl} then
 * fails, and Netty drops the unsent bytes and shuts down the output.
 *
 * <p>Here, the socket of a channel without events stays in the epoll set, with {@code EPOLLET} as its only flag. epoll
 * reports errors even then, but wakes the event loop only once for each. With no flag at all, a reset by the client
 * would wake the event loop again and again.
 */
final class HalfClosedEpoll implements IoHandler {
    private final IoHandler epoll;

    private HalfClosedEpoll(IoHandler epoll) {
        this.epoll = epoll;
    }

    static IoHandlerFactory newFactory() {
        IoHandlerFactory factory = EpollIoHandler.newFactory();
        return (ThreadAwareExecutor executor) -> new HalfClosedEpoll(factory.newHandler(executor));
    }

    @Override
    public IoRegistration register(IoHandle handle) throws Exception {
        return new Registration(epoll.register(handle));
    }

    @Override
    public void initialize() {
        epoll.initialize();
    }

    @Override
    public int run(IoHandlerContext context) {
        return epoll.run(context);
    }

    @Override
    public void prepareToDestroy() {
        epoll.prepareToDestroy();
    }

    @Override
    public void destroy() {
        epoll.destroy();
    }

    @Override
    public void wakeup() {
        epoll.wakeup();
    }

    @Override
    public boolean isCompatible(Class<? extends IoHandle> type) {
        return epoll.isCompatible(type);
    }

    private record Registration(IoRegistration registration) implements IoRegistration {
        @Override
        public long submit(IoOps ops) {
            return registration.submit(ops.equals(EpollIoOps.NONE) ? EpollIoOps.EPOLLET : ops);
        }

        @Override
        @SuppressWarnings("TypeParameterUnusedInFormals") // the signature is Netty's
        public <T> T attachment() {
            return registration.attachment();
        }

        @Override
        public boolean isValid() {
            return registration.isValid();
        }

        @Override
        public boolean cancel() {
            return registration.cancel();
        }
    }
}
