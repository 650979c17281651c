// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.access.tokens.Tokens;
import io.grpc.Context;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.health.v1.HealthGrpc;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The interceptor that admits calls with a token of the tokens file, and health checks without a token. */
final class TokenCheck implements ServerInterceptor {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final String SCHEME = "Bearer ";
    private static final String UNKNOWN = "the token is not, or no longer, in STATE_TOKENS_FILE";

    private final Tokens tokens;

    TokenCheck(Tokens tokens) {
        this.tokens = tokens;
    }

    /** Returns the caller whose token these headers have; {@link Caller#STRANGER} without a valid token. */
    Caller caller(Metadata headers) {
        String token = token(headers);
        return token == null
                ? Caller.STRANGER
                : tokens.holder(token).map(Caller::new).orElse(Caller.STRANGER);
    }

    private static @Nullable String token(Metadata headers) {
        String shown = headers.get(AUTHORIZATION);
        return shown == null || !shown.regionMatches(true, 0, SCHEME, 0, SCHEME.length())
                ? null
                : shown.substring(SCHEME.length()).strip();
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        String token = token(headers);
        if (token == null) {
            return stranger(
                    call, headers, next, "no token was shown; send one as metadata: authorization: Bearer TOKEN");
        }
        Optional<Caller> caller = tokens.holder(token).map(Caller::new);
        if (caller.isEmpty()) {
            return stranger(call, headers, next, UNKNOWN);
        }
        return new Completed<>(call, started(call, headers, next, caller.get()), token);
    }

    /**
     * Refuses a call without a valid token, unless the call is a single health check. Calls that watch health are
     * refused, because they never end and would keep their places among the calls of strangers.
     */
    private static <Q, A> ServerCall.Listener<Q> stranger(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next, String why) {
        return HealthGrpc.getCheckMethod()
                        .getFullMethodName()
                        .equals(call.getMethodDescriptor().getFullMethodName())
                ? started(call, headers, next, Caller.STRANGER)
                : refuse(call, why);
    }

    private static <Q, A> ServerCall.Listener<Q> started(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next, Caller caller) {
        Context context = Context.current().withValue(Caller.CURRENT, caller);
        Context before = context.attach();
        try {
            return next.startCall(call, headers);
        } finally {
            context.detach(before);
        }
    }

    /**
     * A listener that runs a call when its request is complete, with the rights that the token has at this time. If the
     * token was revoked meanwhile, the call is refused.
     */
    private final class Completed<Q> extends SimpleForwardingServerCallListener<Q> {
        private final ServerCall<Q, ?> call;
        private final String token;

        Completed(ServerCall<Q, ?> call, ServerCall.Listener<Q> next, String token) {
            super(next);
            this.call = call;
            this.token = token;
        }

        @Override
        public void onHalfClose() {
            Optional<Caller> caller = tokens.holder(token).map(Caller::new);
            if (caller.isEmpty()) {
                call.close(Status.UNAUTHENTICATED.withDescription(UNKNOWN), new Metadata());
            } else {
                Context.current().withValue(Caller.CURRENT, caller.get()).run(super::onHalfClose);
            }
        }
    }

    private static <Q, A> ServerCall.Listener<Q> refuse(ServerCall<Q, A> call, String why) {
        call.close(Status.UNAUTHENTICATED.withDescription(why), new Metadata());
        return new ServerCall.Listener<>() {};
    }
}
