// SPDX-License-Identifier: Apache-2.0

package main

import (
	gocni "github.com/containerd/go-cni"
)

// containerd uses go-cni as its CRI plugin does: it takes the first file in the directory.
type containerd struct {
	cni gocni.CNI
}

func newContainerd(confDir string, binDirs []string) *containerd {
	cni, err := gocni.New(
		gocni.WithMinNetworkCount(1),
		gocni.WithPluginConfDir(confDir),
		gocni.WithPluginMaxConfNum(1),
		gocni.WithPluginDir(binDirs),
	)
	if err != nil {
		panic(err)
	}
	return &containerd{cni}
}

func (c *containerd) load() (network, error) {
	if err := c.cni.Load(gocni.WithDefaultConf); err != nil {
		return network{}, err
	}
	conf := c.cni.GetConfig().Networks[0].Config
	n := network{Name: conf.Name}
	for _, plugin := range conf.Plugins {
		n.Types = append(n.Types, plugin.Network.Type)
	}
	return n, nil
}

var podArgs = map[string]string{"IgnoreUnknown": "1", "K8S_POD_NAMESPACE": "shop", "K8S_POD_NAME": "cart-0"}

func (c *containerd) add(id string) error {
	_, err := c.cni.Setup(ctx, id, "/run/netns/"+id, gocni.WithLabels(podArgs))
	return err
}

func (c *containerd) del(id string) error {
	return c.cni.Remove(ctx, id, "/run/netns/"+id, gocni.WithLabels(podArgs))
}
