// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import io.netty.handler.ipfilter.IpFilterRuleType;
import io.netty.handler.ipfilter.IpSubnetFilterRule;
import io.netty.util.NetUtil;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.List;

/** The addresses and networks of proxies that may name the client of a connection. */
public final class TrustedProxies {
    /** No proxy. */
    public static final TrustedProxies NONE = new TrustedProxies(List.of(), "");

    private final List<IpSubnetFilterRule> networks;
    private final String text;

    private TrustedProxies(List<IpSubnetFilterRule> networks, String text) {
        this.networks = networks;
        this.text = text;
    }

    /**
     * Parses addresses, and networks such as {@code 10.0.0.0/8}, separated by commas.
     *
     * @throws IllegalArgumentException if one is neither; the message says which
     */
    public static TrustedProxies parse(String text) {
        return new TrustedProxies(
                Arrays.stream(text.split(","))
                        .map(String::strip)
                        .filter(each -> !each.isEmpty())
                        .map(TrustedProxies::network)
                        .toList(),
                text);
    }

    private static IpSubnetFilterRule network(String text) {
        String[] parts = text.split("/", 2);
        boolean isV6 = NetUtil.isValidIpV6Address(parts[0]);
        int most = isV6 ? 128 : 32;
        boolean hasBits = parts.length == 2 && parts[1].matches("[0-9]{1,3}") && Integer.parseInt(parts[1]) <= most;
        if (!(isV6 || NetUtil.isValidIpV4Address(parts[0])) || (parts.length == 2 && !hasBits)) {
            throw new IllegalArgumentException("is not a list of addresses or networks such as 10.0.0.0/8: " + text);
        }
        return new IpSubnetFilterRule(
                parts[0], parts.length == 2 ? Integer.parseInt(parts[1]) : most, IpFilterRuleType.ACCEPT);
    }

    /** Returns whether a proxy with this address is trusted. */
    public boolean contains(InetAddress address) {
        return networks.stream().anyMatch(each -> each.matches(new InetSocketAddress(address, 0)));
    }

    @Override
    public String toString() {
        return text;
    }
}
