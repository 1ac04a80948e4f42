"""Train an agent in a dream: PPO of stable-baselines3 learns to keep the sky in view.

    pip install '.[gym]' stable-baselines3
    python docs/examples/agent.py [STEPS] [--episodes N] [--length N]

The world is `dmlab-small`; neither it nor this script ever runs DeepMind Lab. The predictor knows no rewards, so one is
computed from the picture: the part of it that is sky. To see much of it one has to keep off the walls. The agent sees
12x12 means of the picture. After STEPS (4,000) steps in eight dreams at once, the return of `--episodes` (24) of
`--length` (30) steps is printed, and beside it that of random actions, of standing still, and of always walking
backward.
"""

import argparse

if __name__ == "__main__":  # before what takes long to import, or is not there
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("STEPS", type=int, nargs="?", default=4000)
    parser.add_argument("--episodes", type=int, default=24)
    parser.add_argument("--length", type=int, default=30)
    given = parser.parse_args()
    STEPS, EPISODES, LENGTH = given.STEPS, given.episodes, given.length

import time

try:
    import gymnasium
    import numpy as np
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecEnv

    import videovq.gym
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}; pip install '.[gym]' stable-baselines3") from None

DREAMS, SEED, SIDE = 8, 0, 12


def sky(pictures: np.ndarray) -> np.ndarray:
    """The part of each picture (`b h w 3`, uint8) that is blue: 0 to 1."""
    red, _, blue = np.moveaxis(pictures.astype(int), -1, 0)
    return (blue > red + 40).mean(axis=(1, 2), dtype=np.float32)


def coarse(pictures: np.ndarray) -> np.ndarray:
    """Means over a grid of SIDE x SIDE squares, as numbers from 0 to 1."""
    b, h, w, c = pictures.shape
    squares = pictures.reshape(b, SIDE, h // SIDE, SIDE, w // SIDE, c)
    return squares.mean(axis=(2, 4), dtype=np.float32).reshape(b, -1) / 255


class Dreams(VecEnv):
    """Dreams that begin and end together, as stable-baselines3 wants them."""

    def __init__(self):
        self.dreams = gymnasium.make_vec(
            videovq.gym.ID, num_envs=DREAMS, pretrained="dmlab-small", observations="pixels", steps=LENGTH
        )
        seen = gymnasium.spaces.Box(0, 1, (SIDE * SIDE * 3,), np.float32)
        super().__init__(DREAMS, seen, self.dreams.single_action_space)

    def reset(self):
        pictures, _ = self.dreams.reset(seed=self._seeds[0])  # without a seed they go on with their noise
        self._reset_seeds()
        return coarse(pictures)

    def step_async(self, actions):
        self.actions = actions

    def step_wait(self):
        pictures, _, _, over, _ = self.dreams.step(self.actions)
        rewards, seen, infos = sky(pictures), coarse(pictures), [{} for _ in range(DREAMS)]
        if over.all():
            infos = [{"terminal_observation": one, "TimeLimit.truncated": True} for one in seen]
            seen = self.reset()
        return seen, rewards, over, infos

    def close(self):
        self.dreams.close()

    def get_attr(self, name, indices=None):
        return [getattr(self.dreams, name)] * DREAMS

    def set_attr(self, name, value, indices=None):
        setattr(self.dreams, name, value)

    def env_method(self, name, *arguments, indices=None, **named):
        return [getattr(self.dreams, name)(*arguments, **named)] * DREAMS

    def env_is_wrapped(self, wrapper, indices=None):
        return [False] * DREAMS


def returns(dreams, choose):
    """Of EPISODES, in the same scenes and with the same noise whoever acts."""
    dreams.seed(1000)
    seen, found, taken = dreams.reset(), [], []
    for _ in range(EPISODES // DREAMS):
        total = np.zeros(DREAMS)
        for _ in range(LENGTH):
            taken.append(choose(seen))
            seen, rewards, _, _ = dreams.step(taken[-1])
            total += rewards
        found.extend(total)
    return np.array(found), np.bincount(np.concatenate(taken), minlength=dreams.action_space.n)


dreams = Dreams()
settings = {"n_steps": LENGTH, "batch_size": 120, "learning_rate": 1e-3, "gamma": 0.95, "ent_coef": 0.005}
agent = PPO("MlpPolicy", dreams, **settings, seed=SEED, device="cpu")
began = time.monotonic()
agent.learn(STEPS)
print(f"{STEPS} steps in {time.monotonic() - began:.0f} s", flush=True)

names = dreams.dreams.world.pair.predictor.action_spec.names
random = np.random.default_rng(SEED)
players = {
    "random actions": lambda seen: random.integers(dreams.action_space.n, size=DREAMS),
    "standing still": lambda seen: np.zeros(DREAMS, int),
    "backward": lambda seen: np.full(DREAMS, names.index("backward")),
    "trained": lambda seen: agent.predict(seen)[0],
}
for name, choose in players.items():
    found, taken = returns(dreams, choose)
    often = [names[i] for i in np.argsort(-taken)[:3]]
    error = found.std() / len(found) ** 0.5
    print(f"{name:<15} return {found.mean():5.2f} +- {error:.2f}; most often {', '.join(often)}", flush=True)
