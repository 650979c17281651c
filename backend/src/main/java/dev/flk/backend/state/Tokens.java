// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.program.logging.Audit;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.FileFingerprints;
import dev.flk.program.reload.FileWatch;
import io.grpc.Context;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.health.v1.HealthGrpc;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The interceptor that admits calls with a token of the tokens file, and health checks without a token. The file is
 * read again when it has changed. If the file has an error, the tokens that were read before stay in force, and a log
 * line reports the error.
 */
public final class Tokens implements ServerInterceptor, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final String SCHEME = "Bearer ";
    private static final String UNKNOWN = "the token is not, or no longer, in STATE_TOKENS_FILE";

    private final Path file;
    private final Audit audit;
    private final FileWatch watch = new FileWatch("state-tokens-watch", System::nanoTime);
    private volatile TokensFile inForce;
    // used by the watching thread
    private FileFingerprints fingerprints = new FileFingerprints();
    private int stepsWhileBad;
    private @Nullable String reported;

    /**
     * Reads the file, and starts checking it once a second.
     *
     * @throws InvalidConfig if the file can't be used
     */
    public static Tokens open(Path file, Audit audit) {
        try {
            Tokens opened = new Tokens(file, audit);
            opened.start();
            return opened;
        } catch (InvalidFileException e) {
            throw new InvalidConfig(List.of("STATE_TOKENS_FILE: " + file + ": " + e.getMessage()));
        }
    }

    /** Reads the file; starts no thread. */
    Tokens(Path file, Audit audit) throws InvalidFileException {
        this.file = file;
        this.audit = audit;
        this.inForce = TokensFile.read(file, fingerprints);
    }

    /** Starts checking the file once a second. */
    void start() {
        watch.every(() -> lookAgain(false));
    }

    /** Reads the file again, even if it looks unchanged. */
    public void onReloadSignal() {
        watch.now(() -> lookAgain(true));
    }

    private void lookAgain(boolean readAnyway) {
        try {
            boolean isRetry = reported != null && ++stepsWhileBad % FileWatch.LOOKS_PER_RETRY == 0;
            if (readAnyway || isRetry || fingerprints.haveChanged()) {
                readAgain(isRetry && !readAnyway);
            }
        } catch (RuntimeException e) {
            LOG.error(
                    "checking the tokens file failed and will be retried; the tokens that were read before stay in"
                            + " force",
                    e);
        }
    }

    /** @param isRetry whether the file has not changed, so that the same problem is not reported again */
    private void readAgain(boolean isRetry) {
        fingerprints = new FileFingerprints();
        try {
            TokensFile read = TokensFile.read(file, fingerprints);
            inForce = read;
            reported = null;
            LOG.info("{} was read again and has {} tokens", file, read.size());
            audit.operation(
                    "state_tokens_changed",
                    Map.of(
                            "file", file.toString(),
                            "tokens", Integer.toString(read.size())));
        } catch (InvalidFileException e) {
            String problem = String.valueOf(e.getMessage());
            if (isRetry && problem.equals(reported)) {
                return;
            }
            reported = problem;
            audit.operation("state_tokens_refused", Map.of("file", file.toString(), "problems", problem));
            LOG.error(
                    "{} can't be used, so the tokens that were read before stay in force. Problems: {}", file, problem);
        }
    }

    /**
     * Returns whether a token may read, in a namespace, all agents with ids that begin with a prefix, or may write to
     * them if {@code writes} is true; empty if the token is not in the file. The namespace need not exist in the state.
     * For example, {@code sessions} occurs only in the tokens file, in rights to sessions.
     */
    public Optional<Boolean> allows(String token, String namespace, String agentPrefix, boolean writes) {
        return caller(token)
                .map(caller ->
                        writes ? caller.mayWrite(namespace, agentPrefix) : caller.mayRead(namespace, agentPrefix));
    }

    /** Returns the caller that a token belongs to; empty if the token is not in the file. */
    Optional<Caller> caller(String token) {
        return inForce.caller(token);
    }

    /** Returns whether the caller's token is still in the file with the same rights. */
    boolean isInForce(Caller caller) {
        return inForce.has(caller);
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        String shown = headers.get(AUTHORIZATION);
        if (shown == null || !shown.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return stranger(
                    call, headers, next, "no token was shown; send one as metadata: authorization: Bearer TOKEN");
        }
        String token = shown.substring(SCHEME.length()).strip();
        Optional<Caller> caller = inForce.caller(token);
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
            Optional<Caller> caller = inForce.caller(token);
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

    @Override
    public void close() {
        watch.close();
    }
}
