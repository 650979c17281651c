// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.remote;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Printable;
import dev.flk.program.diagnostics.LocalHttpClient;
import dev.flk.program.json.Json;
import dev.flk.program.reload.ConfiguredFile;
import dev.flk.program.reload.ConfiguredFile.Unusable;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.DateTimeException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The options that are common to all commands that ask a running program, and the client for its HTTP API. */
public class RemoteConnection {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int MAX_FILE_BYTES = 1 << 20;
    private static final Pattern TOKEN = Pattern.compile("[ -~]+");

    private final Supplier<String> ownUrl;
    private final Supplier<Optional<String>> login;

    @Option(
            names = "--url",
            scope = ScopeType.INHERIT,
            paramLabel = "URL",
            description = "The URL of the program: http://HOST:PORT, or https://HOST:PORT.")
    private @Nullable List<String> urls;

    @Option(
            names = "--ca",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of the authorities that signed the program's certificate.")
    private @Nullable Path authorities;

    @Option(names = "--json", scope = ScopeType.INHERIT, description = "One JSON object per line.")
    private boolean json;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec = CommandSpec.create();

    /**
     * @param ownUrl returns the URL that the configuration has for the port of operators, without a slash at the end
     * @param login returns the operators' login for Basic authentication; empty if none is configured
     */
    protected RemoteConnection(Supplier<String> ownUrl, Supplier<Optional<String>> login) {
        this.ownUrl = ownUrl;
        this.login = login;
    }

    public final CommandSpec spec() {
        return spec;
    }

    /** Adds these options to a command, and prints to its output. */
    public final void addTo(CommandLine command) {
        command.getCommandSpec().addMixin("connection", CommandSpec.forAnnotatedObject(this));
        spec = command.getCommandSpec();
    }

    /** Returns the URL of the option without its slashes at the end, or the one that the configuration has. */
    public final String url(Supplier<String> configured) {
        if (urls == null) {
            return configured.get();
        }
        if (urls.size() > 1) {
            throw usage(onlyOne());
        }
        return urls.get(0).replaceAll("/+$", "");
    }

    public final @Nullable Path authorities() {
        return authorities;
    }

    public final boolean isJson() {
        return json;
    }

    /** Returns the output in the form that {@code --json} selects. */
    public final Output output() {
        return new Output(out()::print, json);
    }

    public final PrintWriter out() {
        return spec.commandLine().getOut();
    }

    /**
     * Throws if an option to reach a program was given.
     *
     * @param what the command or option that contacts no program
     */
    public void requireUnused(String what) {
        if (urls != null || authorities != null) {
            throw usage(what + " contacts no program: leave out --url and --ca");
        }
    }

    /** Returns what to do instead of giving several URLs. */
    protected String onlyOne() {
        return "--url: give it once";
    }

    /** Returns the error for a wrong use of the command; it makes the exit code 2. */
    public final ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    public final LocalHttpClient client() throws IOException {
        return client(PATIENCE);
    }

    private LocalHttpClient client(Duration patience) throws IOException {
        return new LocalHttpClient(patience, authorities == null ? null : trusting(authorities));
    }

    private static SSLContext trusting(Path authorities) throws IOException {
        byte[] pem = bytes("--ca", authorities);
        try {
            KeyStore trusted = KeyStore.getInstance("PKCS12");
            trusted.load(null, null);
            CertificateFactory certificates = CertificateFactory.getInstance("X.509");
            for (Certificate each : certificates.generateCertificates(new ByteArrayInputStream(pem))) {
                trusted.setCertificateEntry("authority-" + trusted.size(), each);
            }
            if (trusted.size() == 0) {
                throw new CertificateException("the file contains no certificate");
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
            trust.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException("--ca: " + authorities + " has no usable certificate in PEM", e);
        }
    }

    /**
     * Sends a request with the operators' login to the port of operators, and returns the answer.
     *
     * @param target the path and the query
     * @param body null for none
     * @throws IOException if the answer does not have a status of success; the message has the error of the program
     */
    public final HttpResponse<String> ask(String method, String target, @Nullable String body) throws IOException {
        return ask(request(method, target, body), PATIENCE);
    }

    /**
     * Sends a request as {@link #ask(String, String, String)} does.
     *
     * @param patience the longest time to the end of the answer
     */
    public final HttpResponse<String> ask(HttpRequest.Builder request, Duration patience) throws IOException {
        return required(sendWithLogin(request, patience));
    }

    /** Returns a request to the port of operators. */
    public final HttpRequest.Builder request(String method, String target, @Nullable String body) {
        return request(url(ownUrl), method, target, body);
    }

    /**
     * Returns a request.
     *
     * @param url see {@link #url}
     */
    public final HttpRequest.Builder request(String url, String method, String target, @Nullable String body) {
        try {
            return HttpRequest.newBuilder(URI.create(url + target))
                    .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--url: write it like http://127.0.0.1:8080", e);
        }
    }

    /** Sends a request as {@link #sendWithLogin(HttpRequest.Builder, Duration)} does, for at most 30 s. */
    public final HttpResponse<String> sendWithLogin(HttpRequest.Builder request) throws IOException {
        return sendWithLogin(request, PATIENCE);
    }

    /** Sends a request with the operators' login, if one is configured. Throws if the answer has status 401. */
    private HttpResponse<String> sendWithLogin(HttpRequest.Builder request, Duration patience) throws IOException {
        login.get().ifPresent(basic -> request.setHeader("Authorization", "Basic " + basic));
        HttpResponse<String> answer;
        try {
            answer = client(patience).send(request);
        } catch (ConnectException e) {
            URI url = request.build().uri();
            throw new IOException(
                    "nothing listens at " + url.getScheme() + "://" + url.getAuthority()
                            + "; start it, or give its PORT (its OPS_PORT if that is set) in --url",
                    e);
        }
        if (answer.statusCode() == 401) {
            throw new IOException(
                    "the server asks for the operators' login; run this with its METRICS_USER and METRICS_PASS");
        }
        return answer;
    }

    /** Returns a successful answer; throws for any other answer, with the error that the program gave. */
    public static HttpResponse<String> required(HttpResponse<String> answer) throws IOException {
        if (answer.statusCode() / 100 == 2) {
            return answer;
        }
        throw refused(answer.statusCode(), answer.body());
    }

    public static IOException refused(int status, String answer) {
        return new IOException("the server answered " + status + ": " + error(answer));
    }

    /**
     * Returns the error message in an answer. If the answer contains the actual version of a session, appends this
     * version to the message. An answer without an error message does not come from a program of ours, and is returned
     * unchanged.
     */
    public static String error(String answer) {
        try {
            JsonNode body = Json.parse(answer);
            String error = body.path("error").asText(answer);
            return body.has("actual")
                    ? error + ": the session has version " + body.path("actual").asText()
                    : error;
        } catch (JsonProcessingException e) {
            return answer;
        }
    }

    /** Returns an answer, or a line of an answer, which must be a JSON object. */
    public static JsonNode parsed(String body) throws IOException {
        try {
            JsonNode parsed = Json.parse(body);
            if (parsed.isObject()) {
                return parsed;
            }
        } catch (JsonProcessingException e) {
            throw new IOException("the answer is not JSON; does the URL name the right server?", e);
        }
        throw new IOException("the answer is not a JSON object; does the URL name the right server?");
    }

    /** Returns the value in a text of an answer; {@code name} is the name of the text for an error. */
    public static <T> T value(String name, String text, Function<String, T> parse) throws IOException {
        try {
            return parse.apply(text);
        } catch (IllegalArgumentException | DateTimeException e) {
            throw new IOException(
                    "the answer has " + name + " '" + Printable.of(text)
                            + "', which is no such value; does the URL name the right server?",
                    e);
        }
    }

    /** Returns a number from 0 in an answer, which is not a text or a fraction. */
    public static long number(JsonNode answer, String member) throws IOException {
        return number(member, answer.path(member).toString());
    }

    /** Returns a number from 0 in a text of an answer; {@code name} is the name of the text for an error. */
    public static long number(String name, String text) throws IOException {
        return value(name, text, digits -> {
            long number = Long.parseLong(digits);
            if (number < 0) {
                throw new NumberFormatException();
            }
            return number;
        });
    }

    /** Reads the file of an option. */
    public static byte[] bytes(String option, Path file) throws IOException {
        try {
            return ConfiguredFile.bytes(file, MAX_FILE_BYTES);
        } catch (Unusable e) {
            throw new IOException(option + ": " + file + " " + e.getMessage(), e);
        }
    }

    /**
     * Reads an access token from a file.
     *
     * @throws IOException if the file can't be read, or does not contain a single token; the message does not quote it
     */
    public static String token(Path file) throws IOException {
        String token = new String(bytes("--token-file", file), StandardCharsets.UTF_8).strip();
        if (!TOKEN.matcher(token).matches()) {
            throw new IOException("--token-file: " + file
                    + " does not contain a single token: it is empty, or has several lines or a character that is not"
                    + " ASCII");
        }
        return token;
    }
}
