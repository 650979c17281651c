// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import static dev.flk.program.config.Quantities.matching;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The rules of the paths for operators.
 *
 * @param login the login that these paths need; null for none
 * @param hosts the host names, in lower case, under which these paths are served without a login, besides loopback names
 *     and IP addresses
 * @param ui whether the page is served
 * @param url the address of the page, to which the pages of other backends link; null if it is not set
 */
public record OperatorConfig(
        @Nullable Login login,
        Set<String> hosts,
        boolean ui,
        @Nullable String url) {
    private static final Pattern HOST_NAME = Pattern.compile("[A-Za-z0-9._-]+");

    private static final Key<String> METRICS_USER = Key.of(
            "METRICS_USER",
            matching(Pattern.compile("[^:]+"), "not a user name for Basic authentication: it contains a colon"),
            "The user who may read the metrics, with `METRICS_PASS`. Not set: everyone, under the names in `UI_HOSTS`.");
    private static final Key<Secret> METRICS_PASS =
            Key.of("METRICS_PASS", Secret::new, "The password for the metrics.").secret();

    private static final Key<Boolean> UI = Key.of(
                    "UI",
                    Quantities::onOrOff,
                    "`on`: the page for operators is at `/ui`, on the same port as `/metrics`; on another address"
                            + " than loopback it needs `METRICS_USER`.")
            .or("on");

    private static final Key<Set<String>> UI_HOSTS = Key.of(
            "UI_HOSTS",
            OperatorConfig::hosts,
            "Host names, separated by commas, under which `/metrics`, the record and the page are served without"
                    + " `METRICS_USER`, besides `localhost` and IP addresses.");

    private static final Key<String> UI_URL = Key.of(
            "UI_URL",
            OperatorConfig::url,
            "The address of this backend's page as browsers reach it, such as `https://flk-1.example/ui`; the pages of"
                    + " other backends of the store link to it. Not set: they name this backend without a link.");

    /** The settings of operators, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(METRICS_USER, METRICS_PASS, UI, UI_HOSTS, UI_URL);

    public static OperatorConfig read(Settings settings) {
        settings.unused("METRICS_USER is set", hasLogin(settings) ? List.of(UI_HOSTS) : List.of());
        boolean ui = settings.get(UI);
        settings.unused("UI is off", ui ? List.of() : List.of(UI_URL));
        return new OperatorConfig(
                Login.read(settings).orElse(null),
                settings.find(UI_HOSTS).orElse(Set.of()),
                ui,
                settings.find(UI_URL).orElse(null));
    }

    private static String url(String text) {
        if (!Quantities.isUrl(text)) {
            throw new IllegalArgumentException("not an address of at most " + Quantities.MOST_URL_CHARS
                    + " characters such as https://flk-1.example/ui");
        }
        return text;
    }

    /** Returns whether METRICS_USER is given. */
    public static boolean hasLogin(Settings settings) {
        return settings.isGiven(METRICS_USER);
    }

    private static Set<String> hosts(String text) {
        Set<String> hosts = new HashSet<>();
        for (String host : Quantities.commaSeparated(text)) {
            if (!HOST_NAME.matcher(host).matches()) {
                throw new IllegalArgumentException(
                        "not a list of host names without ports, such as backend,backend.example");
            }
            hosts.add(host.toLowerCase(Locale.ROOT));
        }
        return Set.copyOf(hosts);
    }

    /** A user with a password. */
    public record Login(String user, Secret password) {
        /** Reads the login; returns empty if no login is configured. */
        public static Optional<Login> read(Settings settings) {
            Optional<String> user = settings.find(METRICS_USER);
            Optional<Secret> password = settings.find(METRICS_PASS);
            settings.require(
                    settings.isGiven(METRICS_USER) == settings.isGiven(METRICS_PASS),
                    "METRICS_USER, METRICS_PASS: only one of the two is set; set both or neither");
            return user.flatMap(name -> password.map(secret -> new Login(name, secret)));
        }
    }
}
