// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"path/filepath"
	"sort"

	"github.com/containernetworking/cni/libcni"
)

// crio follows CRI-O's ocicni. It takes the first file that libcni can read and whose plugins exist and speak the
// network's version. It disconnects a pod by the configuration that libcni has kept.
type crio struct {
	confDir, cacheDir string
	binDirs           []string
	list              *libcni.NetworkConfigList
}

func (c *crio) libcni() *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir(c.binDirs, c.cacheDir, nil)
}

func (c *crio) load() (network, error) {
	c.list = nil
	files, err := libcni.ConfFiles(c.confDir, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return network{}, err
	}
	sort.Strings(files)
	for _, file := range files {
		list, err := c.read(file)
		if err != nil {
			continue
		}
		if _, err := c.libcni().ValidateNetworkList(ctx, list); err != nil {
			continue
		}
		if list.Name == "" {
			list.Name = filepath.Base(file)
		}
		c.list = list
		n := network{Name: list.Name}
		for _, plugin := range list.Plugins {
			n.Types = append(n.Types, plugin.Network.Type)
		}
		return n, nil
	}
	return network{}, errors.New("there is no network")
}

func (c *crio) read(file string) (*libcni.NetworkConfigList, error) {
	if filepath.Ext(file) == ".conflist" {
		return libcni.ConfListFromFile(file)
	}
	conf, err := libcni.ConfFromFile(file)
	if err != nil {
		return nil, err
	}
	return libcni.ConfListFromConf(conf)
}

func runtimeConf(id string) *libcni.RuntimeConf {
	conf := &libcni.RuntimeConf{ContainerID: id, NetNS: "/run/netns/" + id, IfName: "eth0"}
	for name, value := range podArgs {
		conf.Args = append(conf.Args, [2]string{name, value})
	}
	return conf
}

func (c *crio) add(id string) error {
	if c.list == nil {
		return errors.New("there is no network")
	}
	_, err := c.libcni().AddNetworkList(ctx, c.list, runtimeConf(id))
	return err
}

func (c *crio) del(id string) error {
	list, conf := c.list, runtimeConf(id)
	if list == nil {
		return errors.New("there is no network")
	}
	cached, cachedConf, err := c.libcni().GetNetworkListCachedConfig(list, conf)
	if err == nil && cached != nil {
		conf = cachedConf
		if list, err = libcni.ConfListFromBytes(cached); err != nil {
			single, err := libcni.ConfFromBytes(cached)
			if err != nil {
				return err
			}
			if list, err = libcni.ConfListFromConf(single); err != nil {
				return err
			}
		}
		if list.Name == "" {
			list.Name = c.list.Name
		}
	}
	return c.libcni().DelNetworkList(ctx, list, conf)
}
